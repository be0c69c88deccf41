import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Controller, controllerMissing, startController } from './controller.ts'

const missing = await controllerMissing()
if (missing) console.warn(`what is found out before an order: skipped: ${missing}`)

const ours = { caaIdentities: ['ca.example'] }

describe.skipIf(missing)('before anything is ordered', () => {
  let controller: Controller
  beforeAll(async () => {
    controller = await startController({
      zones: {
        'hachyderm.io': { records: 'media A 192.0.2.1' },
        'locked.example': { records: '@ CAA 0 issue "other.example"' },
        'future.example': { records: '@ CAA 128 future "x"' },
        'ill.example': { records: '@ NS dead\ndead A 127.77.0.1' },
        'gone.example': { nameServers: { 'dead.ill.example': '127.77.0.1' } },
      },
      certificates: {
        'media.hachyderm.io': {},
        'locked.example': {},
        'future.example': {},
        'ill.example': {},
        'gone.example': {},
      },
    })
  })
  afterAll(async () => controller?.[Symbol.asyncDispose]())
  let before = 0
  beforeEach(() => {
    controller.announce(ours)
    before = added()
  })

  // What the CA took: a request that it refuses for its nonce is sent again.
  const added = (): number => controller.pebble.log().match(/Added order/g)?.length ?? 0
  const orders = (): number => added() - before

  test('CAA that forbids this CA is refused with the record, its zone and the record to set', async () => {
    const { exitCode, stdout } = await controller.certs('plan locked.example')
    expect(exitCode).toBe(1)
    expect(stdout).toBe(`locked.example
  ! no version can be issued: no version is stored here
      CAA forbids locked.example: locked.example. IN CAA 0 issue "other.example": it lets only other.example issue, and this CA is ca.example
      hint: add in the zone locked.example: locked.example. IN CAA 0 issue "ca.example"

Nothing can be done: 1 certificate can not be issued.
`)
    const rolled = await controller.certs('rollout locked.example --force')
    expect(rolled.exitCode).toBe(1)
    expect(rolled.stdout + rolled.stderr).toContain('CAA forbids locked.example: ')
    expect(orders()).toBe(0)
  })

  test('the hint does what it says', async () => {
    await controller.named.update('update add locked.example 60 CAA 0 issue "ca.example"')
    expect(await controller.certs('rollout locked.example')).toMatchObject({ exitCode: 0 })
    await controller.named.update('update delete locked.example 60 CAA 0 issue "ca.example"')
    expect(orders()).toBe(1)
  })

  test('a critical tag that no CA knows is refused', async () => {
    const { stdout } = await controller.certs('plan future.example')
    expect(stdout).toContain('its critical tag future is unknown to CAs')
  })

  test('a CA that does not say who it is: a note, and the CA judges', async () => {
    controller.announce({ caaIdentities: [] })
    const { exitCode, stdout } = await controller.certs('plan locked.example --force-renew')
    expect(stdout).toContain('note: CAA of locked.example can not be judged')
    expect(exitCode).toBe(0)
  })

  test.each([
    ['ahead', -6],
    ['behind', 6],
  ])(
    "a clock that is %s of the CA's is refused with both times, by plan, rollout and check",
    async (way, minutes) => {
      controller.announce(ours, new Date(Date.now() + minutes * 60_000))
      const said = new RegExp(
        `the clock of this machine is [56] minutes ${way}: it says .* UTC, the CA says .* UTC`,
      )
      const plan = await controller.certs('plan media.hachyderm.io')
      expect(plan).toMatchObject({ exitCode: 1, stdout: expect.stringMatching(said) })
      const rollout = await controller.certs('rollout media.hachyderm.io')
      expect(rollout.exitCode).toBe(1)
      expect(rollout.stdout + rollout.stderr).toMatch(said)
      const check = await controller.certs('check')
      expect(check).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(said) })
      expect(orders()).toBe(0)
    },
  )

  test('a name server that does not answer is named; when none does, nothing is ordered', async () => {
    const ill = await controller.certs('plan ill.example')
    expect(ill).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining(
        '      note: not all name servers of ill.example answer: dead.ill.example (127.77.0.1) does not answer\n',
      ),
    })
    const gone = await controller.certs('rollout gone.example')
    expect(gone.exitCode).toBe(1)
    expect(gone.stdout + gone.stderr).toContain('not all name servers of gone.example answer')
    expect(orders()).toBe(0)
  })

  test('check names what CAA says of every name', async () => {
    const { stdout, stderr, exitCode } = await controller.certs('check')
    expect(exitCode).toBe(1)
    expect(stdout).toMatch(/✓ +CAA +media\.hachyderm\.io +no CAA record restricts it\n/)
    expect(stdout).toMatch(/✗ +CAA +locked\.example +failed\n/)
    expect(stderr).toContain('certs: error: CAA forbids locked.example')
  })

  test('check --caa prints records that lock issuance to this account, and they do', async () => {
    const { stdout, exitCode } = await controller.certs('check --caa')
    expect(exitCode).toBe(0)
    const records = stdout.split('\n').filter((line) => line !== '' && !line.startsWith(';'))
    expect(records).toHaveLength(5)
    expect(records[0]).toMatch(
      /^hachyderm\.io\. IN CAA 0 issue "ca\.example; accounturi=https:\/\/127\.0\.0\.1:\d+\/my-account\/\w+; validationmethods=dns-01"$/,
    )
    expect(stdout).toContain('; in place of\n; locked.example. IN CAA 0 issue "other.example"')

    await controller.named.update(`update add ${records[0]!.replace(' IN ', ' 60 ')}`)
    expect((await controller.certs('check --caa')).stdout).toContain(
      '; hachyderm.io: locked to this account already',
    )
    expect(await controller.certs('rollout media.hachyderm.io')).toMatchObject({ exitCode: 0 })
    const foreign = await controller.certs('plan media.hachyderm.io --state ./other')
    expect(foreign.stdout).toContain('CAA forbids media.hachyderm.io')
    expect(foreign.stdout).toContain('and there is none here yet')
  })
})
