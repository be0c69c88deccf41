import { NodeError } from '../../src/core/errors.ts'

/** The NodeError a promise is rejected with; anything else fails the test. */
export async function nodeFailure(promise: Promise<unknown>): Promise<NodeError> {
  const error: unknown = await promise.then(
    (value) => new Error(`no failure: ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  )
  if (error instanceof NodeError) return error
  throw error
}
