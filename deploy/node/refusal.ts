import { NodeError, type NodeProblem, type NodeStep } from '../../src/core/errors.ts'
import type { Node } from '../../src/core/node.ts'
import { printable, printableLine } from '../../src/core/printable.ts'
import { unitOf, wantsCombined } from '../../src/core/serving.ts'
import type { Services } from '../../src/core/serving.ts'
import type { Answer, Verb } from './frame.ts'
import { sayConflict, sayTidying } from './tidying-refusal.ts'

/** What was asked of the node when it refused or failed. */
export interface Asked {
  readonly verb: Verb
  readonly certificate: string
  readonly number: number
  readonly limit: number
  /** That the order named. */
  readonly services: Services
}

type Left = NonNullable<NodeProblem['left']>

export interface Words {
  readonly message: string
  readonly hints: readonly string[]
}

const steps: readonly NodeStep[] = [
  'inspect',
  'lock',
  'baseline',
  'stage',
  'switch',
  'test',
  'reload',
  'rollback',
  'adopt',
  'prune',
]
const lefts: readonly Left[] = ['unchanged', 'restored', 'changed', 'degraded']

/**
 * The error a failed answer means. The program says codes; every sentence and command is made here, so that
 * a node can't put words of its own in front of a person but as quoted detail.
 */
export function readRefusal(node: Node, asked: Asked, answer: Answer): NodeError {
  const [saidStep, saidLeft, code = '', ...words] = answer.last('error')?.split(' ') ?? []
  const step = steps.find((known) => known === saidStep)
  const left = lefts.find((known) => known === saidLeft)
  if (step === undefined || left === undefined) {
    return new NodeError(`${asked.verb} failed and did not say why`, {
      node: node.name,
      step: 'verify',
      left: 'unknown',
    })
  }
  const service = serviceOf(asked, answer.last('service'))
  const exit = answer.last('exit') ?? ''
  const exitCode = /^\d{1,3}$/.test(exit) ? Number(exit) : undefined
  const outside = code === 'outside'
  const failure =
    code === 'failed' || outside
      ? toolFailed(node, asked, { step, left, exitCode, former: versionIn(words[0]), outside, service })
      : undefined
  const { message, hints } =
    failure ?? refused(node, asked, { code, words: printableLine(words.join(' ')), service })
  return new NodeError(message, {
    node: node.name,
    step,
    left,
    exitCode,
    detail: printable([...answer.all('said'), ...answer.all('conflict').map(sayConflict)].join('\n'), {
      max: 4000,
    }),
    hint: hints,
  })
}

/** As the configuration names it; what the node says otherwise is not repeated. */
function serviceOf({ services }: Asked, said: string | undefined): string {
  return Object.keys(services).find((name) => name === said) ?? Object.keys(services)[0] ?? 'nginx'
}

/** It stands in sentences and in commands to be typed. */
function versionIn(word = ''): string | undefined {
  return /^[1-9]\d{0,14}$/.test(word) ? word : undefined
}

interface Failure {
  readonly step: NodeStep
  readonly left: Left
  readonly exitCode: number | undefined
  readonly former: string | undefined
  /** It fails with the former version too, which it passed before. */
  readonly outside: boolean
  /** Whose test or reload it was. */
  readonly service: string
}

function toolFailed(node: Node, asked: Asked, failure: Failure): Words {
  const { step, left, exitCode, former, outside, service } = failure
  const tool = asked.services[service]?.[step === 'test' ? 'test' : 'reload'] ?? []
  const hung =
    exitCode === 137
      ? `did not end within ${asked.limit} s`
      : exitCode === undefined
        ? 'failed'
        : `failed (exit ${exitCode})`
  const message =
    step === 'switch' ? `could not switch live/${asked.certificate}` : `${tool.join(' ')} ${hung}`
  const was = former ? `version ${former}` : 'what it was'
  if (left === 'degraded') {
    return {
      message: `${message}, and it could not be undone`,
      hints: [`on ${node.name}, as root, by hand: ${byHand(node, asked, former)}`],
    }
  }
  if (left === 'unchanged') return { message, hints: ['no file on the node was changed'] }
  const reloaded = sayReloaded(asked, { step, service })
  const back = `live was switched back to ${was} and ${reloaded}`
  if (!outside) return { message, hints: [back] }
  const cause = `with ${was} it fails too: mend ${service}'s configuration on ${node.name}, then run again`
  return { message, hints: [back, cause] }
}

/** What was reloaded with the new version was reloaded again with the former one. */
function sayReloaded({ services }: Asked, { step, service }: Pick<Failure, 'step' | 'service'>): string {
  const names = Object.keys(services)
  if (names.length > 1)
    return step === 'reload' ? 'what had been reloaded was reloaded with it' : 'nothing was reloaded'
  return step === 'reload' ? `${service} was reloaded with it` : `${service} was not reloaded`
}

/** Commands that bring a node back when it could not do so itself. */
function byHand(node: Node, asked: Asked, former: string | undefined): string {
  const { certificate } = asked
  const services = Object.values(asked.services)
  const all = [...services.map(({ test }) => test), ...services.map(({ reload }) => reload)]
  const commands = all.map((argv) => argv.map(shellWord).join(' '))
  const live = shellWord(`${node.root}/live/${certificate}`)
  if (!/^[0-9]+$/.test(former ?? '')) return [`ls -l ${live}`, ...commands].join(' && ')
  const target = shellWord(`../../archive/${certificate}/`)
  // A version of before may have come without it.
  const combined = wantsCombined(asked.services)
  const [more, unless] = combined ? [' combined', `[ ! -e ${target}\${k}${former}.pem ] || `] : ['', '']
  const links = `for k in privkey cert chain fullchain${more}; do ${unless}ln -sfn ${target}\${k}${former}.pem $k.pem; done`
  return [`cd ${live}`, links, ...commands].join(' && ')
}

export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll(`'`, `'\\''`)}'`
}

export interface Refusal {
  readonly code: string
  readonly words: string
  readonly service: string
}

function refused(node: Node, asked: Asked, refusal: Refusal): Words {
  const { code, words, service } = refusal
  const { certificate, number } = asked
  const live = `live/${certificate}`
  const on = (command: string) => `on ${node.name}, as root: ${command}`
  const path = (relative: string) => shellWord(relative === '.' ? node.root : `${node.root}/${relative}`)
  switch (code) {
    case 'held':
      return {
        message: 'another run is at work on this node',
        hints: ['wait for it to end, then run again', on(`fuser -v ${path('archive')}`)],
      }
    case 'unreadable':
    case 'root':
      return {
        message: `can't open ${node.root}`,
        hints: [
          'log in as root, or set sudo: true for this node',
          on(`ls -ld ${path('.')} ${path('archive')}`),
        ],
      }
    case 'pinned': {
      const setting =
        words === 'root' ? 'paths.root' : words === 'service' ? 'service' : `${service}.${words}`
      const other = words === 'service' ? service : 'another'
      return {
        message: `its login takes no other ${setting} than root wrote down there, and the configuration has ${other}`,
        hints: [`if the configuration is right: certs nodes setup ${node.name} --apply --login root`],
      }
    }
    case 'unpinned':
      return {
        message: 'the file that says what its login may do is missing there',
        hints: [`certs nodes setup ${node.name} --apply --login root`],
      }
    case 'stopped':
      return {
        message: `${service} is not running, and certs never starts it`,
        hints: [on(`systemctl start ${unitOf(service, asked.services[service])}`)],
      }
    case 'broken':
      return {
        message: `${asked.services[service]?.test.join(' ')} fails on the node as it is, before anything was touched`,
        hints: [`mend ${service}'s configuration on ${node.name}, then run again`],
      }
    case 'linked-directory':
      return {
        message: `${live} or archive/${certificate} is a link to another directory`,
        hints: [
          `certs rollout ${certificate} --adopt puts a directory in the place of live/${certificate}`,
          on(`ls -ld ${path(live)} ${path(`archive/${certificate}`)}`),
        ],
      }
    case 'real-file':
      return {
        message: `${live}/${words}.pem is a file where certbot's layout has a link into archive`,
        hints: [`certs rollout ${certificate} --adopt keeps it in the archive`],
      }
    case 'odd-entry':
      return {
        message: `${live}/${words}.pem is a directory where certbot's layout has a link into archive`,
        hints: [on(`ls -ld ${path(`${live}/${words}.pem`)}`)],
      }
    case 'writable':
      return {
        message: `${words} can be written by others than its owner`,
        hints: [`certs rollout ${certificate} --adopt, or ${on(`chmod go-w ${path(words)}`)}`],
      }
    case 'foreign':
      return {
        message: `${words} does not belong to root`,
        hints: [`certs rollout ${certificate} --adopt, or ${on(`chown root: ${path(words)}`)}`],
      }
    case 'adopt':
      return {
        message: `it does not put right ${words}, as it was asked to`,
        hints: ['something else changed the node since it was looked at: run again to look afresh'],
      }
    case 'beyond':
      return {
        message: `its login may change nothing outside of ${node.root}/live, and ${words} is`,
        hints: [
          `with the login of an administrator: certs rollout ${certificate} --node ${node.name} --adopt`,
        ],
      }
    case 'unguarded':
      return {
        message: `${words} can be changed by others than root, so nothing is put there`,
        hints: [on(`ls -ld ${shellWord(words)}`)],
      }
    case 'planted':
      return {
        message: `${words} lies in a folder that others could write: it may be theirs`,
        hints: [`look at it, move it away, and run again: ${on(`ls -la ${path(words)}`)}`],
      }
    case 'differs':
      return {
        message: `${words} exists with other bytes`,
        hints: ['plan again: the new version takes a number that is free on all nodes'],
      }
    case 'incomplete':
      return {
        message: `version ${number} of ${certificate} is not complete in archive/${certificate}`,
        hints: [on(`ls -l ${path(`archive/${certificate}`)}`)],
      }
    case 'mismatched':
      return {
        message: `key and certificate of version ${number} of ${certificate} do not belong together`,
        hints: ['choose another version: certs history shows them'],
      }
    case 'staging':
      return {
        message: `can't write version ${number} of ${certificate} to ${node.root}`,
        hints: [on(`df -h ${path('.')}; df -i ${path('.')}`)],
      }
    default:
      return (
        sayTidying(node, asked, refusal) ?? { message: `refused ${asked.verb} (${code} ${words})`, hints: [] }
      )
  }
}
