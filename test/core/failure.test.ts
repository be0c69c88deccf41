import { expect, test } from 'vitest'
import { AcmeError, ConfigError, ProviderError, StateError } from '../../src/core/errors.ts'
import { judgeFailure } from '../../src/core/failure.ts'
import { RefusedCertificate } from '../../src/core/issued.ts'

const problem = (type: string, status?: number) => new AcmeError('x', { type, status })

test.each([
  // The CA itself.
  ['serverInternal', 500, 'down'],
  ['serverInternal', 503, 'down'],
  ['badNonce', 400, 'down'],
  ['rateLimited', 429, 'refused'],
  ['rateLimited', 503, 'refused'],
  ['caa', 403, 'refused'],
  ['rejectedIdentifier', 400, 'refused'],
  ['unsupportedIdentifier', 400, 'refused'],
  ['unauthorized', 403, 'refused'],
  ['userActionRequired', 403, 'refused'],
  ['accountDoesNotExist', 400, 'refused'],
  // What we sent, or what is configured.
  ['malformed', 400, 'shared'],
  ['badCSR', 400, 'shared'],
  ['badPublicKey', 400, 'shared'],
  ['badSignatureAlgorithm', 400, 'shared'],
  ['invalidContact', 400, 'shared'],
  ['unsupportedContact', 400, 'shared'],
  ['externalAccountRequired', 403, 'shared'],
  ['invalidProfile', 400, 'shared'],
  ['orderNotReady', 403, 'shared'],
  ['dns', 400, 'shared'],
  ['somethingNew', 403, 'shared'],
  ['somethingNew', 502, 'down'],
  // An error page, whatever its status.
  ['unknown', 403, 'down'],
  ['unknown', 404, 'down'],
  ['unknown', 500, 'down'],
] as const)('the problem %s (HTTP %i) is %s', (type, status, failure) => {
  expect(judgeFailure(problem(type, status))).toBe(failure)
})

test.each([
  ['unauthorized', 'shared'],
  ['dns', 'shared'],
  ['connection', 'shared'],
  ['incorrectResponse', 'shared'],
  ['tls', 'shared'],
  ['caa', 'refused'],
  ['rateLimited', 'refused'],
  ['rejectedIdentifier', 'refused'],
  ['serverInternal', 'down'],
  ['unsupportedChallenge', 'refused'],
] as const)("a challenge's verdict %s is %s: a wrong TXT record is ours", (type, failure) => {
  const subproblems = [{ type, detail: 'x', identifier: 'a.example' }]
  expect(judgeFailure(new AcmeError('could not validate', { type, subproblems }))).toBe(failure)
})

test('of several names, one that would fail anywhere keeps all from another CA', () => {
  const of = (...types: string[]) => {
    const subproblems = types.map((type) => ({ type, detail: 'x' }))
    return judgeFailure(new AcmeError('x', { type: 'malformed', status: 400, subproblems }))
  }
  expect(of('rejectedIdentifier', 'rejectedIdentifier')).toBe('refused')
  expect(of('serverInternal', 'rejectedIdentifier')).toBe('refused')
  expect(of('rejectedIdentifier', 'dns')).toBe('shared')
})

test('what gives no problem at all is a CA that is down: no answer, garbage, HTTPS that is not trusted', () => {
  expect(judgeFailure(new AcmeError('connect ECONNREFUSED'))).toBe('down')
})

test('what is not from a CA concerns every CA', () => {
  for (const error of [new ProviderError('x'), new ConfigError('x'), new StateError('x'), new Error('x')]) {
    expect(judgeFailure(error)).toBe('shared')
  }
})

test('a certificate that can not be used is the fault of its CA, unless the clock or the roots here are wrong', () => {
  expect(judgeFailure(new RefusedCertificate('another key', {}))).toBe('refused')
  expect(judgeFailure(new RefusedCertificate('not valid yet', { curable: true }))).toBe('shared')
})
