import { createHash } from 'node:crypto'
import type { AcmeSettings } from '../core/acme.ts'
import { parseJson } from './answer.ts'
import { isObject } from './problem.ts'
import type { Answer } from './transport.ts'

/** Signs requests with the account's key (RFC 8555 section 6.2), by acme-client, which only this file imports. */
export interface Client {
  /** Sends one signed POST; with `null` a POST-as-GET. Repeats it on a bad nonce, and on nothing else. */
  post(request: SignedPost): Promise<Answer>
  /** What asks to take another key for the account: signed by that key, naming ours (section 7.3.5). */
  keyChange(change: KeyChange): Promise<object>
  /** SHA-256 of the account key's JWK, base64url (RFC 7638). */
  thumbprint(): Promise<string>
}

export interface SignedPost {
  readonly url: string
  readonly payload: object | null
  /** The account's URL; absent when the account is registered, and the key itself identifies it. */
  readonly account: string | undefined
  readonly step: string
}

export interface KeyChange {
  /** The CA's keyChange URL. */
  readonly url: string
  /** The account's URL. */
  readonly account: string
  /** PKCS#8 PEM. */
  readonly next: string
}

export interface ClientOptions {
  readonly settings: AcmeSettings
  /** PKCS#8 PEM. */
  readonly accountKey: string
  /** Asks the CA for a nonce; called when no answer has left one over. */
  readonly freshNonce: () => Promise<string>
  readonly send: (request: {
    readonly url: string
    readonly body: string
    readonly step: string
  }) => Promise<Answer>
}

/** A CA that refuses one nonce in two is got along with; one that refuses all is given up after seconds. */
const badNonceRetries = 25

/**
 * acme-client signs, binds external accounts and goes on after bad nonces. Sending is ours: its own transport has
 * no deadline, follows redirects to any host, sleeps through Retry-After, and asks for a nonce before each request.
 * The library is loaded at the first signature: it costs 150 ms (75 bundled).
 */
export function createClient({ settings, accountKey, freshNonce, send }: ClientOptions): Client {
  const nonces: string[] = []
  let loading: Promise<HttpClient> | undefined
  const load = async (): Promise<HttpClient> => {
    const { Client: AcmeClient } = (await import('acme-client')).default
    const { directory: directoryUrl, eab } = settings
    const externalAccountBinding = eab && { kid: eab.kid, hmacKey: eab.hmac.reveal() }
    const options = { directoryUrl, accountKey, ...(externalAccountBinding && { externalAccountBinding }) }
    const http = httpOf(new AcmeClient(options))
    http.maxBadNonceRetries = badNonceRetries
    http.getNonce = async () => nonces.pop() ?? (await freshNonce())
    return http
  }

  return {
    post: async ({ url, payload, account, step }) => {
      const http: HttpClient = Object.create(await (loading ??= load()))
      http.request = async (to, _method, { data }) => {
        const answer = await send({ url: to, body: JSON.stringify(data), step })
        const nonce = nonceOf(answer)
        const parsed = parseJson(answer.body)
        // After a bad nonce acme-client itself takes the one that came with the error.
        if (nonce !== undefined && !isBadNonce(parsed)) nonces.push(nonce)
        return { ...answer, headers: { ...answer.headers, 'replay-nonce': nonce }, data: parsed }
      }
      return http.signedRequest(url, payload, {
        kid: account ?? null,
        includeExternalAccountBinding: account === undefined,
      })
    },
    keyChange: async ({ url, account, next }) => {
      const { Client: AcmeClient } = (await import('acme-client')).default
      const oldKey = (await (loading ??= load())).getJwk()
      const signer = httpOf(new AcmeClient({ directoryUrl: settings.directory, accountKey: next }))
      return signer.createSignedBody(url, { account, oldKey })
    },
    thumbprint: async () => {
      // acme-client gives the required members alone, in alphabetical order, as RFC 7638 section 3 wants them.
      const jwk = (await (loading ??= load())).getJwk()
      return createHash('sha256').update(JSON.stringify(jwk)).digest('base64url')
    },
  }
}

function httpOf(client: object): HttpClient {
  return Reflect.get(client, 'http')
}

/** A signing request in DER, base64url, for exactly these names and without a common name. */
export async function createCsr(names: readonly string[], key: string): Promise<string> {
  const { crypto } = (await import('acme-client')).default
  const [, pem] = await crypto.createCsr({ altNames: [...names] }, key)
  return crypto.getPemBodyAsB64u(pem)
}

/** A nonce is base64url (RFC 8555 section 6.5.1); what is not, or is absurdly long, counts as none. */
export function nonceOf({ headers }: Answer): string | undefined {
  const nonce = headers['replay-nonce']
  return nonce !== undefined && /^[A-Za-z0-9_-]{1,1000}$/.test(nonce) ? nonce : undefined
}

function isBadNonce(body: unknown): boolean {
  return isObject(body) && body['type'] === 'urn:ietf:params:acme:error:badNonce'
}

/** The part of acme-client's HttpClient that we use and replace; its types leave it out. */
interface HttpClient {
  maxBadNonceRetries: number
  getNonce: () => Promise<string>
  request: (url: string, method: string, options: { readonly data?: unknown }) => Promise<Sent>
  signedRequest(
    url: string,
    payload: object | null,
    options: { readonly kid: string | null; readonly includeExternalAccountBinding: boolean },
  ): Promise<Sent>
  getJwk(): object
  /** Without a nonce, and with the key itself in its header. */
  createSignedBody(url: string, payload: object): object
}

type Sent = Answer & { readonly data: unknown }
