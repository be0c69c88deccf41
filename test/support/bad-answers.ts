import type { Fault } from './acme-proxy.ts'
import { problemDocument, withBody } from './faulty-ca.ts'

/** What befalls one request and has passed at the next. */
export const passing: Readonly<Record<string, Fault>> = {
  'HTTP 500': { do: 'answer', status: 500, body: problemDocument('serverInternal') },
  'HTTP 503 with a web page': { do: 'answer', status: 503, headers: { 'retry-after': '0' }, body: '<html>' },
  'a connection cut before': { do: 'cut', when: 'before' },
  'a connection cut after the CA has acted': { do: 'cut', when: 'after' },
  'no answer at all': { do: 'hang' },
  'no answer after the CA has acted': { do: 'hang', when: 'after' },
  'half an answer': { do: 'truncate' },
}

/** Answers with a status of success in which there is no sense. */
export const nonsense: Readonly<Record<string, Fault>> = {
  'a web page with status 200': withBody('<html>Welcome</html>'),
  'an empty body': withBody(''),
  'truncated JSON': withBody('{"status": "val'),
  'JSON of another shape': withBody('[[]]'),
  'JSON with wrong types': withBody(
    '{"status":7,"orders":{},"identifiers":[null],"authorizations":"x","challenges":3}',
  ),
}

/** Every form of Retry-After there is, with a CA that wants us slower or has a maintenance. */
export const slower: Readonly<Record<string, Fault>> = Object.fromEntries(
  [
    ['429', undefined],
    ['429', '0'],
    ['429', '1'],
    ['429', '3600'],
    ['429', 'in an hour'],
    ['429', 'an hour ago'],
    ['429', '-5'],
    ['429', 'soon'],
    ['429', ''],
    ['429', '31536000'],
    ['429', '99999999999'],
    ['503', '3600'],
    ['503', 'soon'],
  ].map(([status = '', form]) => [
    `HTTP ${status}, Retry-After ${form ?? 'left out'}`,
    limited(status, form),
  ]),
)

function limited(status: string, form: string | undefined): Fault {
  const offset = { 'in an hour': 3_600_000, 'an hour ago': -3_600_000 }[form ?? '']
  const value = offset === undefined ? form : new Date(Date.now() + offset).toUTCString()
  return {
    do: 'answer',
    status: Number(status),
    headers: {
      'content-type': 'application/problem+json',
      ...(value !== undefined && { 'retry-after': value }),
    },
    body: problemDocument('rateLimited', 'slower, please'),
  }
}
