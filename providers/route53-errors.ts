import { ProviderError } from '../src/core/errors.ts'
import { printableLine } from '../src/core/printable.ts'
import { reasonOf } from './retry.ts'

/** What the SDK throws: named by AWS, with a status when there was an answer. */
interface Refusal extends Error {
  readonly $metadata?: { readonly httpStatusCode?: number }
}

/** Limits are a few calls a second for each account. */
const limited = /^(Throttling|ThrottlingException|PriorRequestNotComplete|TooManyRequests\w*)$/
const credentials =
  /AccessDenied|InvalidClientTokenId|SignatureDoesNotMatch|ExpiredToken|CredentialsProviderError|MissingAuth|OptInRequired/
/** The set is no longer what was read: somebody else was quicker. */
const overtaken = /values provided do not match|but it was not found|but it already exists/

/** Milliseconds to wait before another try, `false` when it is no use (see retry.ts). */
export function again(failure: unknown): number | false {
  if (!(failure instanceof Error) || failure instanceof ProviderError) return false
  if (limited.test(failure.name)) return 1000
  if (credentials.test(failure.name)) return false
  const status = (failure as Refusal).$metadata?.httpStatusCode
  const passing = status === undefined || status >= 500 || overtaken.test(failure.message)
  return passing ? 0 : false
}

export function asProviderError(failed: string, cause: unknown): ProviderError {
  if (!(cause instanceof Error)) return new ProviderError(`${failed}: ${String(cause)}`)
  const { name, message, $metadata } = cause as Refusal
  const status = $metadata?.httpStatusCode
  const words = printableLine(message, { max: 300 })
  if (credentials.test(name)) {
    return new ProviderError(`${failed}: the AWS credentials are refused: ${words} (${name})`, {
      hint: 'they need route53:ListHostedZonesByName, ListResourceRecordSets, ChangeResourceRecordSets and GetChange; who they are: aws sts get-caller-identity',
    })
  }
  if (status === undefined) return new ProviderError(`${failed}: no answer: ${reasonOf(cause)}`)
  const hint = limited.test(name) ? 'AWS limits this account: wait some minutes and run again' : undefined
  return new ProviderError(`${failed}: ${status} ${words} (${name})`, { hint })
}
