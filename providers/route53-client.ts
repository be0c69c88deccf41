import { Route53Client } from '@aws-sdk/client-route-53'
import { ConfigError } from '../src/core/errors.ts'
import type { Secret } from '../src/core/secret.ts'
import { apiUrl as checkUrl } from './api-url.ts'

export interface Route53Settings {
  /**
   * `aws`: found as AWS's own tools do, by AWS_* variables, ~/.aws, roles of containers and instances.
   * `key`: the settings below.
   */
  readonly credentials: 'aws' | 'key'
  readonly accessKeyId?: string | undefined
  readonly secretAccessKey?: Secret | undefined
  /** For temporary keys. */
  readonly sessionToken?: Secret | undefined
  readonly apiUrl?: string | undefined
}

/**
 * The SDK fills in from AWS_* variables and ~/.aws what is left out: everything is given but credentials, and
 * those, too, unless AWS's own way to find them is asked for. Throws ConfigError.
 */
export function openClient(settings: Route53Settings): Route53Client {
  const { apiUrl = 'https://route53.amazonaws.com' } = settings
  const credentials = explicitCredentials(settings)
  return new Route53Client({
    ...(credentials && { credentials }),
    endpoint: checkUrl(apiUrl, { of: 'apiUrl of route53' }),
    // Route 53 is one for all regions, and signs as this one.
    region: 'us-east-1',
    maxAttempts: 1,
    retryMode: 'standard',
    defaultsMode: 'standard',
    useDualstackEndpoint: false,
    useFipsEndpoint: false,
    requestHandler: { connectionTimeout: 5000, requestTimeout: 15_000 },
  })
}

function explicitCredentials(settings: Route53Settings) {
  const { accessKeyId, secretAccessKey, sessionToken, credentials } = settings
  if (credentials === 'key' && accessKeyId && secretAccessKey) {
    return {
      accessKeyId,
      secretAccessKey: secretAccessKey.reveal(),
      ...(sessionToken && { sessionToken: sessionToken.reveal() }),
    }
  }
  if (credentials === 'aws' && !accessKeyId && !secretAccessKey && !sessionToken) return undefined
  throw new ConfigError(
    "route53 wants credentials: 'key' with accessKeyId and secretAccessKey, or credentials: 'aws' alone",
  )
}
