import { sayInstant } from './duration.ts'
import type { Paint } from './paint.ts'
import { table } from './paint.ts'

/** One line of the journal, as far as a person is told of it. */
export interface Happening {
  readonly at: string
  /** Absent for what concerns an account. */
  readonly certificate?: string | undefined
  readonly node?: string | undefined
  readonly action: string
  readonly phase: 'intent' | 'done' | 'failed'
  readonly because?: string | undefined
  readonly facts?: Readonly<Record<string, string | number>> | undefined
}

/** What happened, oldest first, one line each; intents are left out unless nothing followed them. */
export function renderHistory(happenings: readonly Happening[], paint: Paint): string {
  if (happenings.length === 0) return 'Nothing has happened yet.'
  const rows = happenings.map((one) => [paint('dim', sayInstant(one.at)), sayHappening(one)])
  return table(rows).join('\n')
}

type Facts = NonNullable<Happening['facts']>

/** `changed live/media.hachyderm.io on sally from version 2 to 3, because it serves version 2, expired 10 hours ago` */
export function sayHappening(one: Happening): string {
  const facts = one.facts ?? {}
  const why = one.because === undefined ? '' : `, because ${one.because}`
  const act = sayAct(one, facts)
  if (one.phase === 'done') return `${act.done}${why}`
  if (one.phase === 'intent') return `began to ${act.plain}${why}; no end is on record`
  const error = facts['error'] === undefined ? '' : `: ${facts['error']}`
  const left = facts['left'] === undefined ? '' : ` (left ${facts['left']})`
  return `failed to ${act.plain}${error}${left}`
}

/** The words for each action, in the past and as a plain verb. */
const words: Readonly<
  Record<string, readonly [past: string, plain: string, rest: (one: Happening, facts: Facts) => string]>
> = {
  install: [
    'changed',
    'change',
    (one, facts) => `live/${one.certificate}${on(one)}${move(facts)}${mended(facts)}`,
  ],
  'roll-back': [
    'rolled back',
    'roll back',
    (one, facts) => `live/${one.certificate}${on(one)}${move(facts)}${mended(facts)}`,
  ],
  reload: [
    'reloaded',
    'reload',
    (one, facts) => `${facts['services'] ?? 'nginx'}${on(one)} for ${one.certificate}`,
  ],
  issue: ['issued', 'issue', (one, facts) => `version ${facts['to']} of ${one.certificate}${by(facts)}`],
  'account-create': ['made', 'make', (_one, facts) => `an account at ${facts['directory']}`],
  'account-rotate': [
    'changed',
    'change',
    (_one, facts) => `the key of the account ${facts['account']} from ${facts['from']} to ${facts['to']}`,
  ],
  setup: ['set up', 'set up', (one, facts) => `the login ${facts['user']}${on(one)}`],
  'renewal-off': [
    'took over',
    'take over',
    (one, facts) => `the renewal of ${one.certificate}${on(one)} from certbot${became(facts)}`,
  ],
  'renewal-on': [
    'gave back',
    'give back',
    (one, facts) => `the renewal of ${one.certificate}${on(one)} to certbot${became(facts)}`,
  ],
  'timer-off': ['stopped', 'stop', (one, facts) => `${facts['what']}${on(one)}, also for the next boot`],
  'timer-on': ['started', 'start', (one, facts) => `${facts['what']}${on(one)}, also for the next boot`],
  prune: ['moved', 'move', (one, facts) => `${facts['what']}${on(one)} into backup ${facts['backup']}`],
  'prune-restore': [
    'put back',
    'put back',
    (one, facts) => `backup ${facts['backup']}${on(one)}${files(facts)}`,
  ],
  'prune-discard': ['discarded', 'discard', (one, facts) => `backup ${facts['backup']}${on(one)} for good`],
  'order-create': ['ordered', 'order', (one, facts) => `${one.certificate} for ${facts['names']}`],
  'txt-create': ['made', 'make', (_one, facts) => sayTxt(facts)],
  'txt-remove': ['removed', 'remove', (_one, facts) => sayTxt(facts)],
  'challenge-answer': ['answered', 'answer', (_one, facts) => `the challenge for ${facts['identifier']}`],
  'order-finalize': ['finalized', 'finalize', (one) => `the order of ${one.certificate}`],
  'replacement-ask': [
    'asked for',
    'ask for',
    (one, facts) => `a replacement of version ${facts['number']} of ${one.certificate}`,
  ],
  'key-block': [
    'blocked',
    'block',
    (one, facts) => `the key of version ${facts['number']} of ${one.certificate} for ever`,
  ],
  revoke: ['revoked', 'revoke', (one, facts) => `version ${facts['number']} of ${one.certificate}`],
  export: [
    'exported',
    'export',
    (one, facts) => `version ${facts['number']} of ${one.certificate} with its key to ${facts['file']}`,
  ],
  'state-seal': ['sealed', 'seal', (_one, facts) => `${facts['keys']} private keys of the state`],
  'state-unseal': [
    'brought back into the clear',
    'bring back into the clear',
    (_one, facts) => `${facts['keys']} private keys of the state`,
  ],
  'version-store': ['stored', 'store', (one, facts) => `version ${facts['number']} of ${one.certificate}`],
}

function sayAct(one: Happening, facts: Facts): { done: string; plain: string } {
  const [past, plain, rest] = words[one.action] ?? [
    one.action,
    one.action,
    () => `for ${one.certificate}${on(one)}`,
  ]
  return { done: `${past} ${rest(one, facts)}`, plain: `${plain} ${rest(one, facts)}` }
}

function files({ files: count }: Facts): string {
  return count === undefined ? '' : ` (${count} files)`
}

function became({ what, to }: Facts): string {
  return to === undefined ? ` (renewal/${what})` : ` (renewal/${what} became ${to})`
}

function by({ ca }: Facts): string {
  return ca === undefined ? '' : ` by ${ca}`
}

function on({ node }: Happening): string {
  return node === undefined ? '' : ` on ${node}`
}

function sayTxt(facts: Facts): string {
  return `TXT ${facts['name']} in zone ${facts['zone']} by ${facts['provider']}`
}

/** How it lay before. */
function mended({ mended: before, kept }: Facts): string {
  const beside = kept === undefined ? '' : `; now ${kept}`
  return before === undefined ? '' : ` (before: ${before}${beside})`
}

function move({ from, to }: Facts): string {
  if (to === undefined) return ''
  return from === undefined || from === to ? ` to version ${to}` : ` from version ${from} to ${to}`
}
