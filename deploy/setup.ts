import { NodeError, type NodeProblem } from '../src/core/errors.ts'
import type { Node } from '../src/core/node.ts'
import { printable, printableLine } from '../src/core/printable.ts'
import type { Setup, SetupPart, SetupSeen } from '../src/core/setup.ts'
import { isSetUp, setupFolder, setupParts } from '../src/core/setup.ts'
import { decode, newToken, type Answer } from './node/frame.ts'
import { setupPrefix } from './node/program.ts'
import type { Shell } from './shell.ts'

export interface SetupOptions {
  readonly signal?: AbortSignal | undefined
}

/** What of it is there already; one call, which writes nothing. Throws NodeError with step `setup`. */
export async function lookAtSetup(
  shell: Shell,
  asked: Asked,
  options: SetupOptions = {},
): Promise<SetupSeen> {
  return readSeen(await call(shell, asked, { verb: 'look', ...options }))
}

/**
 * Puts in place what is not there, the key that opens the door at the end. What is right stays untouched, so it can
 * be run again wherever it was cut off. Throws NodeError, also when afterwards not all is as it should be.
 */
export async function setUp(shell: Shell, asked: Asked, options: SetupOptions = {}): Promise<void> {
  const seen = readSeen(await call(shell, asked, { verb: 'apply', ...options }))
  if (isSetUp(seen)) return
  throw new NodeError('says that all is in place, but it is not', {
    node: asked.node.name,
    step: 'setup',
    left: 'unknown',
    hint: `something else changed it at the same time: certs nodes setup ${asked.node.name} --apply`,
  })
}

/** The same as shell text, to be run as root on the node by whatever brings things there. */
export function setupScript(setup: Setup): string {
  return `# Run by sh as root on ${setup.node}; can be run again.\n${encode(setup, 'apply', newToken())}`
}

export interface Asked {
  /** As it is logged in to for this, which is not how it is afterwards. */
  readonly node: Node
  readonly setup: Setup
}

type Verb = 'look' | 'apply'

async function call(
  shell: Shell,
  { node, setup }: Asked,
  { verb, signal }: SetupOptions & { readonly verb: Verb },
): Promise<Answer> {
  const token = newToken()
  const left = verb === 'look' ? 'unchanged' : 'unknown'
  const said = await shell.run(encode(setup, verb, token), { signal, silenceMs: 60_000 })
  const answer = decode(said, token, { node: node.name, step: 'setup', left })
  if (!answer.ok) throw readFailure(node, setup, answer)
  return answer
}

function encode({ user, files }: Setup, verb: Verb, token: string): string {
  const data = { user, ...Object.fromEntries(setupParts.map((part) => [part, files[part].text])) }
  const lines = Object.entries(data).map(([name, text]) => `${name} ${Buffer.from(text).toString('base64')}`)
  const body = [`token ${token}`, `verb ${verb}`, ...lines, `end ${token}`].join('\n')
  return `${setupPrefix()}set_up <<'END_${token}'\n${body}\nEND_${token}\n`
}

/** The last word on each part counts. */
function readSeen(answer: Answer): SetupSeen {
  const states = new Map(answer.all('part').map((line) => [line.split(' ')[0], line.replace(/^\S+ ?/, '')]))
  const stateOf = (part: SetupPart) => {
    const state = states.get(part)
    return state === 'same' || state === 'missing' ? state : 'differs'
  }
  return {
    account: states.get('account') === 'same' ? 'same' : 'missing',
    parts: Object.fromEntries(setupParts.map((part) => [part, stateOf(part)])) as SetupSeen['parts'],
  }
}

function readFailure(node: Node, setup: Setup, answer: Answer): NodeError {
  const [, left, code = '', ...words] = answer.last('error')?.split(' ') ?? []
  const { message, hint } = sayFailure(node, setup, { code, words: printableLine(words.join(' ')) })
  const problem: NodeProblem = {
    node: node.name,
    step: 'setup',
    left: left === 'unchanged' ? 'unchanged' : 'changed',
    detail: printable(answer.all('said').join('\n'), { max: 4000 }),
    hint,
  }
  return new NodeError(message, problem)
}

interface Words {
  readonly message: string
  readonly hint: string | readonly string[]
}

function sayFailure(node: Node, { user }: Setup, { code, words }: { code: string; words: string }): Words {
  const again = `then again: certs nodes setup ${node.name} --apply`
  switch (code) {
    case 'root':
      return {
        message: `only root can set it up, and the login is ${node.ssh?.user}`,
        hint: [
          'set sudo: true for this node, or name who may:',
          `certs nodes setup ${node.name} --apply --login root`,
        ],
      }
    case 'sudo':
      return { message: 'sudo is not installed there', hint: ['apt-get install sudo', again] }
    case 'account':
      return {
        message: `there is a user ${user} already, with ${words} for a shell`,
        hint: `choose another name: certs nodes setup ${node.name} --user certs-node`,
      }
    case 'sudoers':
      return {
        message: 'its sudoers are broken as they are, before anything was touched',
        hint: [`on ${node.name}, as root: visudo -c`, again],
      }
    case 'place':
      return {
        message: `can't make ${setupFolder}`,
        hint: [`on ${node.name}, as root: ls -ld ${setupFolder} /usr/local/lib; df -h /usr/local/lib`, again],
      }
    case 'create':
      return {
        message: `can't make the user ${user}`,
        hint: ['it takes useradd, of the package passwd, shadow or shadow-utils', again],
      }
    default:
      return { message: `can't write ${words || code}`, hint: again }
  }
}
