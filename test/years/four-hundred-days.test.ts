import { randomInt } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { openRenewalSheet } from '../../src/acme/renewal-sheet.ts'
import { readLeaf } from '../../src/core/certificate.ts'
import { judgeRenewal } from '../../src/core/renewal.ts'
import { openFiles } from '../../src/state/files.ts'
import { command, type Ran } from '../lab/command.ts'
import { skipUnless } from '../lab/machine.ts'
import type { Fault } from '../support/acme-proxy.ts'
import { certificateOf } from '../support/issuing.ts'
import { renewAt } from './dated-run.ts'
import { rollDice } from './dice.ts'
import type { Deed } from './later-ca.ts'
import { dayMs, openWorld, sites, type World } from './world.ts'

/**
 * 400 days of `certs renew` by a timer that fires twice a day, each time up to ten minutes late: fewer chances than the
 * packaged one gives. Real: two hosts with systemd, sshd and nginx, two bind9 of which the second follows late and is
 * the one that the CA asks, pebble with its bad nonces, the whole program. Made up: the clock. The program is handed it;
 * pebble's dates are moved to it by a proxy (later-ca.ts); DNS, SSH and TLS do not know of it.
 *
 * Each week in which something is due has a run that is killed in the middle of it. Most firings find nothing to do: of
 * those one in a fortnight is run, and one in three weeks is killed while it looks; with CERTS_FAULTS=all all are run, and
 * one each week is killed. CERTS_TEST_SEED repeats what an earlier run has met.
 */
const seed = Number(process.env['CERTS_TEST_SEED'] ?? randomInt(2 ** 31))
const whole = process.env['CERTS_FAULTS'] === 'all'
const [firingsForOneIdle, weeksForOneIdle] = whole ? [1, 1] : [28, 3]
const [days, outageDays, lifetimeDays] = [400, 10, 45]
const hourMs = dayMs / 24

const points = [
  'key-stored',
  'order-created',
  'txt-created',
  'challenge-answered',
  'finalize-sent',
  'version-stored',
  'txt-removed',
  'node-step:locked',
  'node-step:staged',
  'node-step:switched',
  'node-step:tested',
  'node-step:reloaded',
  'node-verified',
]

/** The same in a run that has nothing to do. */
const looking = ['node-connecting', 'node-inspected']

/** How the CA is gone; the first two are over at once, the last is tried again for seconds. */
const absences: readonly Fault[] = [
  { do: 'answer', status: 503, headers: { 'retry-after': '3600' }, body: 'down for maintenance' },
  { do: 'answer', status: 403, body: '<html>closed</html>' },
  { do: 'cut', when: 'before' },
]

describe.skipIf(await skipUnless('hosts'))(`400 days with a CA of 45 days, seed ${seed}`, () => {
  test(
    'nothing expired is ever served, though the CA is away for ten days when it is needed, and a run dies each week',
    { timeout: 900_000 },
    async () => {
      const began = Date.now()
      await using world = await openWorld({ clock: began, lifetimeMs: lifetimeDays * dayMs })
      const story = await live(world, began)
      // What the last day left over is done, and then there is nothing to say.
      for (const hours of [0, 1]) {
        world.clock = began + days * dayMs + hours * hourMs
        const { exitCode, stderr, stdout } = await renewAt({ at: world.clock, ...world })
        expect(exitCode, `seed ${seed}: ${stderr}`).toBe(0)
        if (hours > 0) expect(stdout, `seed ${seed}`).toBe('')
      }
      const { orders, issued } = world.ca

      const atWork = story.kills.filter((point) => !looking.includes(point))
      expect(atWork.length, `seed ${seed}: runs killed in the middle of work`).toBeGreaterThan(8)
      expect(story.kills.length, `seed ${seed}: runs killed`).toBeGreaterThan(whole ? 56 : 20)
      expect(orders.length, 'orders, each of which became a certificate').toBe(issued.length)
      for (const site of sites) judgeBudget(issued.filter(({ names }) => names === site))
      await expectNothingLeft(world)
    },
  )
})

interface Story {
  readonly kills: string[]
}

async function live(world: World, began: number): Promise<Story> {
  const dice = rollDice(seed)
  const kills: string[] = []
  const diary: string[] = []
  const outageAfter = began + (100 + dice.share() * 150) * dayMs
  let outageFrom = Infinity
  let clean = false
  let week = -1
  let deck: string[] = []
  let died = false

  for (let firing = 0; firing < days * 2; firing++) {
    const at = began + firing * 12 * hourMs + dice.share() * (hourMs / 6)
    const day = (at - began) / dayMs
    world.clock = at
    await expectAlive(world, { day, diary })

    const due = await isDue(world, at)
    if (due && at > outageAfter && outageFrom === Infinity) outageFrom = at
    const away = at >= outageFrom && at < outageFrom + outageDays * dayMs
    if (away) world.ca.goAway(dice.pick(absences))
    else world.ca.comeBack()

    if (Math.floor(day / 7) > week) {
      week = Math.floor(day / 7)
      died = false
    }
    const busy: boolean = due || !clean
    const looksOnly = !busy && week % weeksForOneIdle === 0 && Math.floor((day + 0.55) / 7) > week
    if (!busy && (died || !looksOnly) && firing % firingsForOneIdle > 0) continue

    // Each point comes once before any comes again.
    if (deck.length === 0) deck = dice.shuffle(points)
    const point = busy && !away ? deck[0] : dice.pick(looking)
    const mayDie = !died && (busy || looksOnly)
    const ran: Ran = mayDie && point ? await killedRun(world, point) : await renewAt({ at, ...world })
    const killed = ran.exitCode === 128
    if (killed && point) {
      kills.push(point)
      deck = deck.filter((one) => one !== point)
      died = true
    }
    clean = ran.exitCode === 0
    diary.push(`day ${day.toFixed(1)}: ${killed ? `killed at ${point}` : say(ran)}`)
  }
  return { kills }
}

/** The run as a process of its own, that dies when it says this. */
async function killedRun({ clock, config, compiled }: World, point: string): Promise<Ran> {
  const child = fileURLToPath(new URL('renew-at.ts', import.meta.url))
  const killer = fileURLToPath(new URL('../support/kill-at.ts', import.meta.url))
  const env = { PATH: process.env['PATH'], CERTS_TEST_KILL_AT: point, NODE_COMPILE_CACHE: compiled }
  return command([process.execPath, `--import=${killer}`, child, String(clock), config], { env })
}

/** Between two runs nothing changes what is served, so what is alive right before the next was so all the time. */
async function expectAlive(
  world: World,
  { day, diary }: { day: number; diary: readonly string[] },
): Promise<void> {
  for (const { host, site, notBefore, notAfter } of await world.served()) {
    const left = (notAfter - world.clock) / dayMs
    if (left > 0 && notBefore <= world.clock) continue
    const told = diary.slice(-12).join('\n')
    expect.fail(
      `seed ${seed}, day ${day.toFixed(2)}: ${host} serves ${site} with ${left.toFixed(2)} days left\n${told}`,
    )
  }
}

/** Whether a version is due by what is stored and what the CA was heard to suggest. */
async function isDue({ state, ca }: World, at: number): Promise<boolean> {
  await using store = await openFiles(state)
  const sheet = openRenewalSheet(store, ca.directory)
  const [newest] = await Promise.all([store.newest(sites), sheet.load()])
  return sites.some((site) => {
    const pem = newest.get(site)?.version?.leaf
    const stored = pem === undefined ? undefined : readLeaf(pem)
    const said = sheet.get(site)
    const suggestion = said?.fingerprint === stored?.fingerprint ? said?.suggestion : undefined
    const certificate = certificateOf([site])
    return judgeRenewal({
      certificate,
      stored,
      now: new Date(at),
      suggestion,
      forced: false,
      underway: false,
    }).due
  })
}

/** FAULTS I-14, and no more in all than 45 days of which two thirds are used up ask for. */
function judgeBudget(issued: readonly Deed[]): void {
  for (const { at } of issued) {
    const within = (ms: number) => issued.filter((one) => one.at > at - ms && one.at <= at).length
    expect(within(dayMs), `seed ${seed}: issued in a day`).toBeLessThanOrEqual(2)
    expect(within(7 * dayMs), `seed ${seed}: issued in a week`).toBeLessThanOrEqual(4)
  }
  expect(issued.length, `seed ${seed}: issued in all`).toBeLessThanOrEqual(
    Math.ceil(days / (lifetimeDays * 0.6)) + 1,
  )
}

async function expectNothingLeft({ named, state }: World): Promise<void> {
  const zone = await named.dump('hachyderm.io')
  expect(zone.filter((line) => line.includes(' TXT '))).toEqual([])
  await using store = await openFiles(state)
  for (const left of ['orders', 'txt']) expect(await store.list(left), left).toEqual([])
}

function say({ exitCode, stdout, stderr }: Ran): string {
  return `exit ${exitCode} ${`${stderr}${stdout}`.replaceAll(/\s+/g, ' ').slice(0, 600)}`
}
