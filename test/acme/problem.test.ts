import { expect, test } from 'vitest'
import { problemError, readProblem } from '../../src/acme/problem.ts'

const at = { step: 'ordering media.hachyderm.io at ca.example', now: new Date('2026-11-23T02:00:00Z') }

function shown(document: unknown, answer: { status: number; retryAfterMs?: number }): string {
  const { message, detail, hints } = problemError(readProblem(document), { ...at, ...answer })
  return [message, ...(detail === undefined ? [] : [detail]), ...hints.map((hint) => `hint: ${hint}`)].join(
    '\n',
  )
}

test('a rate limit says until when', () => {
  const document = {
    type: 'urn:ietf:params:acme:error:rateLimited',
    detail: 'too many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s',
  }
  expect(shown(document, { status: 429, retryAfterMs: 7_200_000 })).toMatchInlineSnapshot(`
    "ordering media.hachyderm.io at ca.example failed: too many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s (rateLimited, HTTP 429, until 2026-11-23 04:00:00 UTC)
    hint: run it again after 2026-11-23 04:00:00 UTC: the CA refuses until then"
  `)
})

test('subproblems are told name by name', () => {
  const document = {
    type: 'urn:ietf:params:acme:error:malformed',
    detail: 'some of the identifiers requested were rejected',
    subproblems: [
      {
        type: 'urn:ietf:params:acme:error:caa',
        detail: 'CAA record for hachyderm.io prevents issuance',
        identifier: { type: 'dns', value: 'media.hachyderm.io' },
      },
      { type: 'urn:ietf:params:acme:error:rejectedIdentifier', detail: 'on the deny list', identifier: 7 },
    ],
  }
  expect(shown(document, { status: 400 })).toMatchInlineSnapshot(`
    "ordering media.hachyderm.io at ca.example failed: some of the identifiers requested were rejected (malformed, HTTP 400)
    media.hachyderm.io: CAA record for hachyderm.io prevents issuance (caa)
    order: on the deny list (rejectedIdentifier)
    hint: a CAA record of the name or of a parent forbids this CA: dig CAA NAME, and add an issue record for it
    hint: this CA does not issue for one of the names: take it out, or choose another CA"
  `)
})

test('terms that changed are named', () => {
  const document = {
    type: 'urn:ietf:params:acme:error:userActionRequired',
    detail: 'the terms have changed',
    instance: 'https://ca.example/terms',
  }
  expect(shown(document, { status: 403 })).toMatchInlineSnapshot(`
    "ordering media.hachyderm.io at ca.example failed: the terms have changed (userActionRequired, HTTP 403)
    hint: read and agree to the CA's terms: https://ca.example/terms, then run it again"
  `)
})

test.for([
  ['no document', undefined],
  ['text', 'Bad Gateway'],
  ['null', null],
  ['a list', []],
  ['wrong types', { type: 5, detail: {}, subproblems: 'x', instance: [] }],
] as const)('%s is no crash', ([, document]) => {
  expect(shown(document, { status: 502 })).toBe(
    `${at.step} failed: the CA gave no reason (unknown, HTTP 502)\nhint: the fault is at the CA; run it again later, an order under way is taken up again`,
  )
})
