import type { Node } from '../../src/core/node.ts'
import { shellWord } from './refusal.ts'
import type { Asked, Refusal, Words } from './refusal.ts'

/** Why a node did not take over or tidy up; undefined for a code of another verb. */
export function sayTidying(node: Node, asked: Asked, { code, words, service }: Refusal): Words | undefined {
  const on = (command: string) => `on ${node.name}, as root: ${command}`
  const path = (relative: string) => shellWord(relative === '.' ? node.root : `${node.root}/${relative}`)
  switch (code) {
    case 'verb': {
      const adopts = asked.verb === 'adopt' || asked.verb === 'renewals'
      const again = adopts
        ? `certs nodes adopt ${node.name} --login root`
        : `certs prune --node ${node.name} --login root`
      return {
        message: 'its login can not do that, and is not meant to',
        hints: [`name somebody who may, and the key that lets them in: ${again} --login-identity agent`],
      }
    }
    case 'write':
      return {
        message: `can't rename ${words} in ${node.root}/renewal`,
        hints: [on(`ls -la ${path('renewal')}`)],
      }
    case 'timer':
      return { message: `can't turn ${words} on or off`, hints: [on(`systemctl status ${shellWord(words)}`)] }
    case 'unknown':
      return {
        message: 'nginx does not say what it reads, so nothing was taken away',
        hints: [`certs prune --node ${node.name} says why`],
      }
    case 'lacking':
    case 'many':
      return {
        message: 'who else uses the files could not be found out, so nothing was taken away',
        hints: ['there may be too much to search below /etc, /opt, /srv and /root'],
      }
    case 'needed':
      return {
        message: `${(asked.services[service]?.test ?? []).join(' ')} fails without what was taken away`,
        hints: ['everything was put back as it was'],
      }
    case 'take':
      return {
        message: 'could not take everything away',
        hints: ['everything was put back as it was', on(`df -h ${path('.')}`)],
      }
    case 'back':
      return {
        message: `could not put back what lies in ${node.root}/${words}`,
        hints: ['what is missing is there, below files/, under its former path', on(`ls -lR ${path(words)}`)],
      }
    case 'absent':
      return { message: 'there is no such backup', hints: ['certs prune --backups lists them'] }
    case 'conflict':
      return {
        message: 'something is in the way, so nothing was put back',
        hints: ['move away what is there now, then run it again'],
      }
    case 'discard':
      return { message: `could not remove ${node.root}/${words}`, hints: [on(`ls -lR ${path(words)}`)] }
    default:
      return undefined
  }
}

/** What is in the way of a backup that is to come back. */
export function sayConflict(line: string): string {
  const [kind, ...words] = line.split(' ')
  const where = words.join(' ')
  if (kind === 'taken') return `${where} is there already, with other bytes`
  return kind === 'damaged' ? `the backup of ${where} is not any more what it was` : `${where} is in no place`
}
