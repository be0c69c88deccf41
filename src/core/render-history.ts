import { sayInstant } from './duration.ts'
import type { Paint } from './paint.ts'
import { table } from './paint.ts'

/** One line of the journal, as far as a person is told of it. */
export interface Happening {
  readonly at: string
  readonly certificate: string
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

/** `changed live/media.hachyderm.io on sally from version 2 to 3, because …` */
export function sayHappening({ certificate, node, action, phase, because, facts }: Happening): string {
  const on = node === undefined ? '' : ` on ${node}`
  const why = because === undefined ? '' : `, because ${because}`
  const act = sayAct(action, certificate, on, facts ?? {})
  if (phase === 'done') return `${act.done}${why}`
  const error = facts?.['error'] === undefined ? '' : `: ${facts['error']}`
  const left = facts?.['left'] === undefined ? '' : ` (left ${facts['left']})`
  return phase === 'failed'
    ? `failed to ${act.plain}${error}${left}`
    : `began to ${act.plain}${why}, and no end is on record`
}

function sayAct(
  action: string,
  certificate: string,
  on: string,
  facts: NonNullable<Happening['facts']>,
): { done: string; plain: string } {
  const move = sayMove(facts)
  const say = (past: string, plain: string, rest: string) => ({
    done: `${past} ${rest}`,
    plain: `${plain} ${rest}`,
  })
  switch (action) {
    case 'install':
      return say('changed', 'change', `live/${certificate}${on}${move}`)
    case 'roll-back':
      return say('rolled back', 'roll back', `live/${certificate}${on}${move}`)
    case 'reload':
      return say('reloaded', 'reload', `nginx${on} for ${certificate}`)
    default:
      return say(action, action, `for ${certificate}${on}${sayFacts(facts)}`)
  }
}

function sayMove({ from, to }: NonNullable<Happening['facts']>): string {
  if (to === undefined) return ''
  return from === undefined || from === to ? ` to version ${to}` : ` from version ${from} to ${to}`
}

function sayFacts(facts: NonNullable<Happening['facts']>): string {
  const parts = Object.entries(facts).filter(([key]) => key !== 'error' && key !== 'left')
  return parts.length === 0 ? '' : ` (${parts.map(([key, value]) => `${key} ${value}`).join(', ')})`
}
