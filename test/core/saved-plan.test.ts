import { assert, nat, property, string } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { sha256 } from '../../src/core/certificate.ts'
import type { Certificate } from '../../src/core/certificate.ts'
import { CertsError, ConfigError } from '../../src/core/errors.ts'
import { makePlan } from '../../src/core/make-plan.ts'
import type { Node } from '../../src/core/node.ts'
import type { Observed } from '../../src/core/observed.ts'
import { refuseChanged } from '../../src/core/plan-changes.ts'
import { decodePlan, encodePlan, isSavedPlan, refuseExpired, savePlan } from '../../src/core/saved-plan.ts'
import type { Planned, SavedPlan } from '../../src/core/saved-plan.ts'
import { describeSight } from '../../src/core/sight.ts'
import type { RolloutSettings } from '../../src/core/waves.ts'
import * as fleet from '../support/observed.ts'
import { nginxAlone } from '../support/nginx-alone.ts'

const stored = [fleet.version(3)]
const behind = fleet.observe(fleet.fleetAt(2), stored)
const soon = new Date('2026-11-24T12:00:00Z')

function nodeOf(name: string, change: Partial<Node> = {}): Node {
  return {
    name,
    groups: ['cdn'],
    ssh: { address: '203.0.113.11', port: 22, user: 'root', identity: 'agent', knownHosts: '/known' },
    sudo: false,
    jump: [],
    root: '/etc/letsencrypt',
    services: nginxAlone(),
    ...change,
  }
}

interface World {
  readonly observed?: Observed
  readonly certificate?: Certificate
  readonly rollout?: RolloutSettings
  readonly directory?: string
  readonly sally?: Partial<Node>
}

function plan(world: World = {}): Planned {
  const { observed = behind, certificate = fleet.certificate, rollout = fleet.rollout } = world
  const request = { certificates: [certificate], forceRenew: false }
  const nodes = Object.fromEntries(
    fleet.cdn.map((name) => [name, nodeOf(name, name === 'sally' ? world.sally : {})]),
  )
  const directory = world.directory ?? 'https://ca.example/directory'
  const cas = [{ place: 'acme', directory, profile: undefined, preferredChain: undefined }]
  return {
    request: { certificates: [fleet.name], forceRenew: false },
    sight: describeSight({ ...request, nodes, rollout, cas, observed }),
    plan: makePlan({ ...request, rollout }, observed),
  }
}

const saved = savePlan(plan(), 'certs 0.1.0')

/** The lines that say what changed; undefined when the plan may be carried out. */
function changes(world: World): readonly string[] | undefined {
  try {
    refuseChanged(saved, plan(world), 'tonight.json')
    return undefined
  } catch (error) {
    return (error as CertsError).detail?.split('\n')
  }
}

function withSally(node: Partial<Observed['nodes'][string]>): Observed {
  return { ...behind, nodes: { ...behind.nodes, sally: { ...fleet.nodeAt(2), ...node } } }
}

describe('a saved plan', () => {
  test('is what it was when it is read again', () => {
    expect(decodePlan(encodePlan(saved), 'tonight.json')).toEqual(saved)
  })

  test('is the same in a later hour, when only what time makes of it is worded otherwise', () => {
    const later = { ...behind, now: soon }
    expect(plan({ observed: later }).plan.certificates).not.toEqual(saved.plan.certificates)
    expect(changes({ observed: later })).toBeUndefined()
  })

  test('is refused when the hour has made another plan of the same sight', () => {
    const due = { ...behind, now: new Date('2027-02-10T00:00:00Z') }
    expect(changes({ observed: due })).toEqual([
      'media.hachyderm.io was keep version 3 as 3; it is issue version 4 for media.hachyderm.io, ecdsa-p256, by ca.example',
      'media.hachyderm.io on cdn-frankfurt-1 was install, version 2 → 3; it is install, version 2 → 4',
      'media.hachyderm.io on cdn-fremont-1 was install, version 2 → 3; it is install, version 2 → 4',
      'media.hachyderm.io on sally was install, version 2 → 3; it is install, version 2 → 4',
      'media.hachyderm.io on esme was install, version 2 → 3; it is install, version 2 → 4',
    ])
  })

  test.each<[string, World, string]>([
    [
      'live was switched',
      { observed: withSally({ inspection: fleet.inspection(fleet.lineage(1)) }) },
      'sally: live/media.hachyderm.io was version 2 (…); it is version 1 (…)',
    ],
    [
      'something else is served',
      { observed: withSally({ served: { [fleet.name]: [fleet.served(fleet.leafOf(1))] } }) },
      'sally: what 203.0.113.11:443 serves for media.hachyderm.io was leaf leaf-2, until 2026-11-23 01:52 UTC, chain …; it is leaf leaf-1, until 2026-11-23 01:52 UTC, chain …',
    ],
    [
      'nothing is served any more',
      {
        observed: withSally({
          served: {
            [fleet.name]: [
              { endpoint: fleet.served(fleet.leafOf(1)).endpoint, name: fleet.name, error: 'refused' },
            ],
          },
        }),
      },
      'sally: what 203.0.113.11:443 serves for media.hachyderm.io was leaf leaf-2, until 2026-11-23 01:52 UTC, chain …; it is no certificate',
    ],
    [
      'nginx -t fails now',
      {
        observed: withSally({
          inspection: fleet.inspection(fleet.lineage(2), {
            services: {
              nginx: fleet.serviceState({ test: { command: 'nginx -t', ok: false, output: 'x' } }),
            },
          }),
        }),
      },
      'sally: nginx was running, nginx -t passes; it is running, nginx -t fails',
    ],
    [
      'certbot was switched on',
      {
        observed: withSally({
          inspection: fleet.inspection(fleet.lineage(2), { certbot: { timer: true, cron: false } }),
        }),
      },
      'sally: certbot was not active; it is active',
    ],
    [
      'a version came into the store',
      { observed: fleet.observe(fleet.fleetAt(2), [fleet.version(3), fleet.version(4)], { highest: 3 }) },
      'media.hachyderm.io: the newest stored version was 3 (leaf leaf-3, until 2027-02-21 11:00 UTC); it is 4 (leaf leaf-4, until 2027-02-21 11:00 UTC)',
    ],
    [
      'the version was rolled back and is held back',
      {
        observed: fleet.observe(fleet.fleetAt(2), stored, {
          hold: { nodes: { sally: 3 }, since: '2026-11-23T12:00:00.000Z' },
        }),
      },
      'media.hachyderm.io: versions held back was none; it is 3 from sally',
    ],
    [
      'an order was begun',
      { observed: fleet.observe(fleet.fleetAt(2), stored, { underway: fleet.underway(4) }) },
      'media.hachyderm.io: the order under way was none; it is for version 4',
    ],
    [
      'the node has another address',
      {
        sally: {
          ssh: { address: '192.0.2.1', port: 22, user: 'root', identity: 'agent', knownHosts: '/known' },
        },
      },
      'in the configuration, nodes["sally"].ssh.address was 203.0.113.11; it is 192.0.2.1',
    ],
    [
      'the reload command is another',
      { sally: { services: nginxAlone({ reload: ['reboot'] }) } },
      'in the configuration, nodes["sally"].services.nginx.reload was ["systemctl","reload","nginx"]; it is ["reboot"]',
    ],
    [
      'the CA is another',
      { directory: 'https://other.example/directory' },
      'in the configuration, acme.directory was https://ca.example/directory; it is https://other.example/directory',
    ],
    [
      'a probe was added',
      { certificate: { ...fleet.certificate, probes: [{ url: 'https://x.example/', status: 200 }] } },
      'in the configuration, certificates["media.hachyderm.io"].probes was []; it is [{"url":"https://x.example/","status":200}]',
    ],
    [
      'the waves are cut otherwise',
      { rollout: { ...fleet.rollout, canary: 4 } },
      'in the configuration, rollout.canary was 1; it is 4',
    ],
  ])('is refused when %s, and says so', (_what, world, line) => {
    const plain = (text: string) => text.replaceAll(/[0-9a-f]{16}/g, '…')
    expect(changes(world)?.map(plain)).toContain(line.replaceAll(/[0-9a-f]{16}/g, '…'))
  })

  test('a node that can not be reached any more is one of the things', () => {
    const gone = { error: { message: 'sally: connection refused', hints: [] }, served: {} }
    const observed = { ...behind, nodes: { ...behind.nodes, sally: gone } }
    expect(changes({ observed })?.[0]).toBe('sally: over SSH was reached; it is not reached')
  })

  test('names what is to be done next, with the names it was made for', () => {
    const act = () => refuseChanged(saved, plan({ observed: fleet.observe({}, []) }), 'tonight.json')
    expect(act).toThrow(
      /^the plan in tonight\.json is not carried out: \d+ things changed since it was made at /,
    )
    try {
      act()
    } catch (error) {
      expect((error as CertsError).hints).toEqual([
        'nothing was changed; look at what would be done now, and save it again: certs plan media.hachyderm.io --out tonight.json',
      ])
    }
  })

  test('of hundreds of changes forty are told, and how many more there are', () => {
    const many = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`thing ${index}`, 'gone']))
    const then = { ...saved, sight: { ...saved.sight, seen: { ...saved.sight.seen, ...many } } }
    try {
      refuseChanged(then, plan(), 'tonight.json')
      expect.unreachable()
    } catch (error) {
      const lines = (error as CertsError).detail?.split('\n')
      expect(lines).toHaveLength(41)
      expect(lines?.at(-1)).toBe('and 460 more')
    }
  })

  test.each([
    ['2026-11-30T12:00:00Z', undefined],
    ['2026-11-30T12:00:01Z', 'the plan in tonight.json is too old: it was good until 2026-11-30 12:00 UTC'],
    ['2026-11-23T11:30:00Z', undefined],
    [
      '2026-11-23T10:00:00Z',
      'the plan in tonight.json was made in the future, at 2026-11-23 12:00 UTC: a clock is wrong',
    ],
  ])('at %s: %s', (now, message) => {
    const act = () => refuseExpired(saved, { file: 'tonight.json', now: new Date(now) })
    if (message === undefined) act()
    else expect(act).toThrow(message)
  })
})

/** As somebody would who knows how the sum is made. */
function forge(change: object): string {
  const forged = { ...saved, ...change } as SavedPlan
  const { kind, format, by, at, expires, request, sight, steps, plan: held } = forged
  const sum = sha256(JSON.stringify([kind, format, by, at, expires, request, sight, steps, held]))
  return JSON.stringify({ ...forged, sha256: sum })
}

describe('a file that is no saved plan', () => {
  const text = encodePlan(saved)
  const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`
  test.each([
    ['nothing', '', 'certs did not save it'],
    ['a configuration', 'export default {}', 'certs did not save it'],
    ['a list', '[]', 'certs did not save it'],
    ['the plan of --json alone', JSON.stringify(saved.plan), 'certs did not save it'],
    ['half of a plan', text.slice(0, text.length / 2), 'certs did not save it'],
    [
      'a plan of another format',
      forge({ format: 2, by: 'certs 7.0.0\u001b[31m' }),
      'it is of format 2, saved by certs 7.0.0; format 1 is read here',
    ],
    ['an edited plan', text.replace('version 2', 'version 1'), 'it was changed after it was saved'],
    ['a plan without its sum', JSON.stringify(saved), 'it was changed after it was saved'],
    [
      'endless nesting',
      JSON.stringify(saved).replace(/"plan":.*$/, `"plan":${deep}}`),
      'it was changed after it was saved',
    ],
    ['no names', forge({ request: { forceRenew: false } }), 'it is damaged'],
    ['names that are none', forge({ request: { certificates: [1], forceRenew: false } }), 'it is damaged'],
    ['facts that are none', forge({ sight: { configuration: {}, seen: { a: {} } } }), 'it is damaged'],
    ['no sight', forge({ sight: null }), 'it is damaged'],
    ['a date that is none', forge({ at: 'yesterday' }), 'it is damaged'],
    ['steps that are a list', forge({ steps: ['x'] }), 'it is damaged'],
  ])('%s: refused in one line', (_what, content, cause) => {
    expect(() => decodePlan(content, 'tonight.json')).toThrow(ConfigError)
    expect(() => decodePlan(content, 'tonight.json')).toThrow(
      new RegExp(`^reading the plan in tonight\\.json failed: ${cause}$`),
    )
  })

  test('whatever is changed in the text, it is refused or says the same', () => {
    assert(
      property(nat(text.length - 1), string({ maxLength: 3 }), nat(3), (at, put, cut) => {
        const changed = text.slice(0, at) + put + text.slice(at + cut)
        try {
          expect(decodePlan(changed, 'x')).toEqual(saved)
        } catch (error) {
          if (!(error instanceof ConfigError)) throw error
        }
      }),
      { numRuns: 300 },
    )
  })

  test('a forged plan can say nothing to a terminal', () => {
    const seen = { ...saved.sight.seen, 'sally: \u001b[2Jliar': 'a\r\nb\u202e' }
    const forged = decodePlan(forge({ sight: { ...saved.sight, seen } }), 'x')
    try {
      refuseChanged(forged, plan(), 'x')
      expect.unreachable()
    } catch (error) {
      expect((error as CertsError).detail).toBe('sally: liar is gone; it was a; b')
    }
  })

  test('is not written over, a saved plan of any format is', () => {
    expect([text, forge({ format: 2 }), '{}', 'kind: certs-plan', ''].map(isSavedPlan)).toEqual([
      true,
      true,
      false,
      false,
      false,
    ])
  })
})
