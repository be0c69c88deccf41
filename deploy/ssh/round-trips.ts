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
 * `onSigned` is called when the signed request is under way. A node that acts on what it gets in order finds
 * itself logged in when it comes to a channel opened then. (A command's input before its answer would gain
 * nothing: OpenSSH opens the window only with the answer.)
 *
 * Only for sshds that are known to work in order: OpenSSH (tried with 9.2) and dropbear (2022.83); one that
 * judges a login in the background may take the next message for an attack.
 *
 * This reaches into ssh2 1.17, which is pinned. Where a part of it is not as expected, all stays as it is and
 * is only slower; `test/deploy/round-trips.test.ts` counts.
 */
export function spareRoundTrips(client: Client, identity: Identity, onSigned: () => void): void {
  const parts = client as unknown as Ssh2Client
  const protocol = parts._protocol
  if (typeof protocol?.service !== 'function' || typeof protocol.authPK !== 'function') return
  const service = protocol.service.bind(protocol)
  // Called when keys are exchanged, hence after the node has said what it is.
  protocol.service = (name) => {
    const accepted = protocol._handlers?.SERVICE_ACCEPT
    if (!accepted || !/^(OpenSSH|dropbear)_/.test(parts._remoteVer ?? '')) return service(name)
    if (identity.type === 'publickey') signAtOnce(protocol, identity.key as ParsedKey, onSigned)
    service(name)
    // The real answer, when it comes, must not start a second authentication.
    protocol._handlers.SERVICE_ACCEPT = () => undefined
    accepted(protocol, name)
  }
}

interface Ssh2Client {
  readonly _protocol?: Protocol
  /** As `OpenSSH_9.2p1`. */
  readonly _remoteVer?: string
}

type Sign = (data: Buffer, done: (signature: Buffer) => void) => void

interface Protocol {
  service(name: string): void
  authPK(user: string, key: ParsedKey, algorithm: string | undefined, sign?: Sign): void
  readonly _handlers: { SERVICE_ACCEPT?: (protocol: Protocol, name: string) => void }
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
