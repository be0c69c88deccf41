import type { Hop } from './hop.ts'

/** What to look for when no TCP connection came about, by what the system said (net's error, or of each address). */
export function hintOfConnect({ target }: Hop, error: unknown): string {
  const { address, port } = target
  const [first] = error instanceof AggregateError ? (error.errors as unknown[]) : [error]
  const { code = '' } = first as NodeJS.ErrnoException
  switch (code) {
    case 'ECONNREFUSED':
      return `it is up, and nothing listens on port ${port}: is that the port, and does sshd run (systemctl status ssh)? ${sshTo(target)}`
    case 'ETIMEDOUT':
      return `it is down, a firewall drops what is sent, or the address is another's: ping ${address}; ${sshTo(target)}`
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EHOSTDOWN':
      return `no way leads there from this machine: ip route get ${address}`
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the system's resolvers do not know it: getent hosts ${address}; or configure its address`
    default:
      return `the last line says how far it comes: ${sshTo(target)}`
  }
}

/** What to look for when ssh's own conversation broke off, by how far it was. */
export function hintOfConversation({ target }: Hop, keyed: boolean): string {
  return keyed
    ? 'sshd says on the node why it ended the login: journalctl -u ssh -u sshd -n 20'
    : `whether sshd answers there at all, and how far it comes (debug1: kex): ${sshTo(target)} true`
}

function sshTo({ user, address, port }: Hop['target']): string {
  return `ssh -v -p ${port} ${user}@${address}`
}
