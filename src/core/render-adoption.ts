import type { Adopted, Adoption, AdoptionStep } from './adoption.ts'
import { targetOf } from './adoption.ts'
import { shellWord } from './audit-finding.ts'
import { sayCount } from './count.ts'
import type { Paint } from './paint.ts'

/** What would be done, what stays with certbot and why, one sentence of numbers. */
export function renderAdoption(adoption: Adoption, paint: Paint): string {
  const { node, steps, left, cron } = adoption
  const lines = [
    paint('bold', node),
    ...steps.flatMap((step) => [
      `  ${paint('yellow', `~ ${sayStep(step)}`)}`,
      `      because ${step.because}`,
      `      the way back, on ${node}, as root: ${sayWayBack(step, adoption)}`,
    ]),
    ...left.flatMap(({ file, because, hints }) => [
      `  = renewal/${file} stays as it is: ${because}`,
      ...hints.map((hint) => `      → ${hint}`),
    ]),
    ...cron.flatMap((at) => [
      `  = ${at} runs certbot, which has nothing left to renew; cron's files are not edited`,
      `      → on ${node}, as root: ${sayCronCommand(at)}`,
    ]),
  ]
  return [...(lines.length > 1 ? [lines.join('\n'), ''] : []), sayAdoption(adoption)].join('\n')
}

function sayStep(step: AdoptionStep): string {
  if ('unit' in step) return `systemctl ${step.kind === 'stop' ? 'disable' : 'enable'} --now ${step.unit}`
  const what = step.kind === 'shelve' ? 'which certbot does not look at' : 'which certbot renews'
  return `renewal/${step.file} becomes ${targetOf(step)}, ${what}`
}

/** The command that undoes one step by hand. */
export function sayWayBack(step: AdoptionStep, { root }: Pick<Adoption, 'root'>): string {
  if ('unit' in step) return `systemctl ${step.kind === 'stop' ? 'enable' : 'disable'} --now ${step.unit}`
  const path = (file: string) => shellWord(`${root}/renewal/${file}`)
  return `mv ${path(targetOf(step))} ${path(step.file)}`
}

function sayCronCommand(at: string): string {
  const [, file = at, line = ''] = /^(.*):(\d+)$/.exec(at) ?? []
  return file.startsWith('/var/spool/cron') ? 'crontab -e' : `sed -i '${line}s/^/# /' ${shellWord(file)}`
}

function sayAdoption({ node, steps, left }: Adoption): string {
  const stays = left.length === 0 ? '' : `; ${sayCount(left.length, 'renewal file')} as it is`
  if (steps.length > 0) return `${node}: ${sayCount(steps.length, 'change')}${stays}.`
  return left.length === 0
    ? `${node}: nothing to do: there is no renewal of certbot's to change.`
    : `${node}: nothing to do${stays}.`
}

/** What was done, and what was left alone because it had changed. */
export function renderAdopted({ node, root }: Adoption, { done, kept }: Adopted): string {
  const said = done.map(({ what, to }) => (what.endsWith('.timer') ? `${what} is ${to}` : `${what} → ${to}`))
  return [
    `${node}: ${said.length === 0 ? 'nothing was changed' : `done: ${said.join(', ')}`}.`,
    ...kept.map(
      (what) => `${node}: ${root}/renewal/${what} was left alone: it changed meanwhile, run again.`,
    ),
  ].join('\n')
}
