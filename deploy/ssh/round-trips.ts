import type { Client, ParsedKey } from 'ssh2'
import type { Identity } from './identity.ts'

/**
 * ssh2 waits for an answer at two places where the protocol lets a client go on, and where what comes next does
 * not depend on the answer. From another continent each is a tenth of a second or more, for every node:
 *
 * - the request for the authentication service: the authentication follows at once (neither RFC 4252 nor RFC
 *   4253 section 10 asks for a pause; a refused service ends the connection either way);
 * - whether a key would do, before it signs: the one key there is signs at once (RFC 4252 section 7).
 *
 * `onSigned` is called when the signed request is under way. A node acts on what it gets in order, so a channel
 * opened then reaches it logged in. (Sending a command's input before its answer would gain nothing: OpenSSH
 * opens the window only with the answer.)
 *
 * This reaches into ssh2 1.17, which is pinned. Where a part of it is not as expected, all stays as it is and
 * is only slower; `test/deploy/round-trips.test.ts` counts.
 */
export function spareRoundTrips(client: Client, identity: Identity, onSigned: () => void): void {
  const { _protocol: protocol } = client as unknown as { readonly _protocol?: Protocol }
  if (typeof protocol?.service !== 'function' || typeof protocol._handlers?.SERVICE_ACCEPT !== 'function')
    return
  if (typeof protocol.authPK !== 'function') return
  if (identity.type === 'publickey') signAtOnce(protocol, identity.key as ParsedKey, onSigned)
  startAuthenticationAtOnce(protocol)
}

type Sign = (data: Buffer, done: (signature: Buffer) => void) => void

interface Protocol {
  service(name: string): void
  authPK(user: string, key: ParsedKey, algorithm: string | undefined, sign?: Sign): void
  readonly _handlers: { SERVICE_ACCEPT?: (protocol: Protocol, name: string) => void }
}

function startAuthenticationAtOnce(protocol: Protocol): void {
  const service = protocol.service.bind(protocol)
  const accepted = protocol._handlers.SERVICE_ACCEPT!
  protocol.service = (name) => {
    service(name)
    // The real answer, when it comes, must not start a second authentication.
    protocol._handlers.SERVICE_ACCEPT = () => undefined
    accepted(protocol, name)
  }
}

/** An RSA key signs by SHA-2 (RFC 8332); ssh2 would take SHA-1 where the node has not yet said what it takes. */
function signAtOnce(protocol: Protocol, key: ParsedKey, onSigned: () => void): void {
  const authPK = protocol.authPK.bind(protocol)
  const [algorithm, hash] = key.type === 'ssh-rsa' ? ['rsa-sha2-512', 'sha512'] : [undefined, undefined]
  protocol.authPK = (user) => {
    authPK(user, key, algorithm, (data, done) => done(key.sign(data, hash)))
    onSigned()
  }
}
