import { expect, test } from 'vitest'
import { namedMissing } from '../lab/named.ts'
import { startTwoCas } from '../support/two-cas.ts'

const missing = await namedMissing()
if (missing) process.stderr.write(`skipped: ${missing}\n`)

test.skipIf(missing)(
  'a record that stays is for one CA: each wants its own, and one without it is passed over',
  async () => {
    const name = 'stay.example'
    await using place = await startTwoCas({
      certificates: { [name]: { challenge: 'dns-persist-01' } },
      zones: { 'stay.example': {} },
    })
    const { first, second } = place
    expect(await place.certs('account create')).toMatchObject({ exitCode: 0 })
    const lacking = await place.certs('plan')
    expect(lacking.exitCode).toBe(1)
    const records = lacking.stdout.match(/_validation-persist\S+ \d+ IN TXT .*/g) ?? []
    expect(records).toEqual([
      expect.stringContaining(`accounturi=https://${first.host}/`),
      expect.stringContaining(`accounturi=https://${second.host}/`),
    ])

    await place.named.update(`update add ${records[1]!.replace(' IN ', ' ')}`)
    const plan = await place.certs('plan')
    expect(plan.stdout).toContain(`+ issue version 1 by ${second.host}, because no version is stored here\n`)
    expect(plan.stdout).toContain(`${first.host} was passed over: `)
    expect(plan.stdout).toContain('stands; nothing is written to DNS\n')
    expect((await place.certs('check')).stdout).toMatch(new RegExp(`✗ +DNS +${name} by ${first.host} `))
    const config = { acme: { ...second.acme, fallback: [first.acme] } }
    const swapped = await place.certs('check', { config })
    expect(swapped, swapped.stderr).toMatchObject({ exitCode: 0 })
    expect(swapped.stdout).toMatch(new RegExp(`! +DNS +${name} by ${first.host} `))
    expect(await place.certs('renew --now')).toMatchObject({ exitCode: 0, stderr: '' })
    expect(second.deeds()).toMatchObject({ orders: 1, certificates: 1 })
    expect(first.deeds()).toMatchObject({ orders: 0 })
  },
)
