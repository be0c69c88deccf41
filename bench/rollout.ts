import { site } from '../test/lab/incident.ts'
import { openFarFleet } from './far-fleet.ts'
import { interleave, judge, median, table } from './measure.ts'

const limit = 2

/**
 * The main job from far away: an issued version to the four nodes, verified, against what people did that
 * night with OpenSSH (which verified nothing).
 */
export async function benchRollout(program: string, { rttMs, rounds }: { rttMs: number; rounds: number }) {
  await using fleet = await openFarFleet(program, rttMs)
  const prepare = () => fleet.backToThatNight()
  const rollout = ['rollout', site]
  const reference = '`ssh node true`'
  const [whole, atOnce] = ['`certs rollout`, canary and waves', '`certs rollout`, all four at once']
  const times = await interleave(
    [
      { name: reference, run: () => fleet.sshTrue() },
      { name: whole, prepare, run: () => fleet.certs(rollout) },
      { name: atOnce, prepare, run: () => fleet.certs(rollout, { canary: 0, waves: ['100%'] }) },
      { name: '`certs rollout`, all is right already', run: () => fleet.certs(rollout) },
      {
        name: 'by hand, four nodes side by side',
        prepare,
        run: async () => void (await Promise.all(fleet.byHand.map((node) => node()))),
      },
      {
        name: 'by hand, one node after the other',
        prepare,
        every: 3,
        run: async () => {
          for (const node of fleet.byHand) await node()
        },
      },
    ],
    rounds,
  )
  const base = median(times.get(reference) ?? [])
  const verdicts = [whole, atOnce].map((name) =>
    judge(`${name} to ${reference}`, median(times.get(name) ?? []) / base, limit),
  )
  return [
    `### An issued certificate to four nodes, ${rttMs} ms away`,
    '',
    'Four Debian hosts with sshd, systemd and nginx behind proxies that delay SSH and TLS alike; before each run',
    'every node is put back to the night of the incident. `certs` plans, installs, tests, reloads and proves each',
    'node by handshakes and the image. By hand, for each node: `scp` of four files, `rm -f` and `ln -s`,',
    '`nginx -t`, `systemctl reload nginx`; nothing is proved.',
    '',
    table(times, reference),
    '',
    ...verdicts,
  ].join('\n')
}
