import type { Adopted, AdoptionStep, RenewalFile, Renewals } from '../src/core/adoption.ts'
import type { Node } from '../src/core/node.ts'
import { printableLine } from '../src/core/printable.ts'
import { decode, encode, newToken, type Answer } from './node/frame.ts'
import { readRefusal } from './node/refusal.ts'
import type { Shell } from './shell.ts'

export interface AdoptOptions {
  readonly signal?: AbortSignal | undefined
}

/** What of certbot renews on a node; one call, which writes nothing. Throws NodeError with step `inspect`. */
export async function lookAtRenewals(
  shell: Shell,
  node: Node,
  { signal }: AdoptOptions = {},
): Promise<Renewals> {
  const answer = await call(shell, node, { verb: 'renewals', settings: {}, signal })
  return {
    held: answer.all('held').flatMap(readFile),
    shelved: answer.all('shelved').flatMap(readFile),
    units: answer.all('unit').map((line) => {
      const [unit = '', state] = line.split(' ')
      return { unit: printableLine(unit), on: state === 'on' }
    }),
    cron: answer.all('cron').map((line) => printableLine(line.split(/ +/).slice(1).join(' '))),
  }
}

/**
 * Does these steps under the node's lock. A file that is not any more as it was seen is left alone; what is done
 * already is left as it is. Throws NodeError with step `adopt`.
 */
export async function adopt(
  shell: Shell,
  node: Node,
  { steps, signal }: AdoptOptions & { readonly steps: readonly AdoptionStep[] },
): Promise<Adopted> {
  const settings: Record<string, string[]> = { shelve: [], unshelve: [], stop: [], start: [] }
  for (const step of steps) {
    settings[step.kind]!.push('unit' in step ? step.unit : `${step.sha256} ${step.file}`)
  }
  const answer = await call(shell, node, { verb: 'adopt', settings, signal })
  const pairs = [...answer.all('moved'), ...answer.all('turned')].map((line) => line.split(' '))
  return {
    done: pairs.map(([what = '', to = '']) => ({ what: printableLine(what), to: printableLine(to) })),
    kept: answer.all('kept').map((line) => printableLine(line.split(' ')[0] ?? '')),
  }
}

interface Call extends AdoptOptions {
  readonly verb: 'renewals' | 'adopt'
  readonly settings: Readonly<Record<string, readonly string[]>>
}

async function call(shell: Shell, node: Node, { verb, settings, signal }: Call): Promise<Answer> {
  const token = newToken()
  const order = { root: node.root, limit: String(limitSeconds), ...settings }
  const input = encode({ verb, settings: order }, token)
  const said = await shell.run(input, { signal, silenceMs: (limitSeconds * 2 + 15) * 1000 })
  const step = verb === 'adopt' ? 'adopt' : 'inspect'
  const left = verb === 'adopt' ? 'unknown' : 'unchanged'
  const answer = decode(said, token, { node: node.name, step, left })
  const asked = { verb, certificate: '', number: 0, limit: limitSeconds, services: {} }
  if (!answer.ok) throw readRefusal(node, asked, answer)
  return answer
}

/** What systemctl may take. */
const limitSeconds = 30

function readFile(line: string): RenewalFile[] {
  const [, sha256, file] = /^([0-9a-f]{64}) (.+)$/.exec(line) ?? []
  return sha256 === undefined || file === undefined ? [] : [{ file: printableLine(file), sha256 }]
}
