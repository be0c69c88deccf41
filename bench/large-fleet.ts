import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { certificate, startCrowd, type Crowd } from '../test/fleet/crowd.ts'
import { faultyFleet } from '../test/fleet/faulty-fleet.ts'
import { nodesOf, runMeasured } from '../test/fleet/measured-run.ts'
import { interleave, judge, median, table } from './measure.ts'

const limits = { times: 2, megabytes: 300 }

/**
 * A fleet of which a tenth fails, each node in another way: the whole rollout, beside OpenSSH that sends the same
 * program with the same orders to the same nodes, and looks at nothing.
 */
export async function benchLargeFleet(
  program: string,
  { nodes, concurrency, rounds }: { nodes: number; concurrency: number; rounds: number },
): Promise<string> {
  await using crowd = await startCrowd((answers) => faultyFleet(answers, nodes, { long: false }).script)
  const { faults } = faultyFleet(crowd.answers, nodes, { long: false })
  const config = await crowd.configure({ concurrency, haltAfter: nodes, deadline: '2s' })
  const script = await writeCommands(crowd)
  const megabytes: number[] = []
  const [ours, theirs] = ['`certs rollout`', '`ssh` by `xargs -P`']
  const prepare = () => crowd.reset()
  const times = await interleave(
    [
      {
        name: theirs,
        prepare,
        run: () => runQuietly(`xargs -P ${concurrency} -L 1 sh ${script} <${join(crowd.folder, 'nodes')}`),
      },
      {
        name: ours,
        prepare,
        async run() {
          const run = await runMeasured(`rollout ${certificate} --json`, {
            folder: crowd.folder,
            config,
            program,
          })
          const failed = [...nodesOf(run)]
            .filter(([, { status }]) => status === 'failed')
            .map(([name]) => name)
          if (failed.toSorted().join() !== [...faults.keys()].toSorted().join())
            throw new Error(`other nodes failed than should: ${failed.join(', ')}`)
          megabytes.push(run.megabytes)
        },
      },
    ],
    rounds,
  )
  const most = Math.max(...megabytes)
  return [
    `### ${nodes} nodes, of which ${faults.size} fail, each in another way; ${concurrency} side by side`,
    '',
    'Scripted SSH and TLS servers in one process beside it, on the same machine. `certs` inspects, plans, installs, proves',
    'by handshakes, undoes what does not prove right, and reports each. By OpenSSH: one `ssh node /bin/sh -s` with the same',
    'inspection and, where that succeeded, one with the same installation; no waves, nothing proved, 5 s at most for each.',
    '',
    table(times, theirs),
    '',
    judge(
      `${ours} to ${theirs}`,
      median(times.get(ours) ?? []) / median(times.get(theirs) ?? []),
      limits.times,
    ),
    judge(
      `its memory (${Math.round(most)} MB at most) to ${limits.megabytes} MB`,
      most / limits.megabytes,
      1,
    ),
  ].join('\n')
}

/** Returns the path of what is run for each line of the file `nodes`. */
async function writeCommands({
  folder,
  names,
  inputs,
  ports,
  identity,
  knownHosts,
  addressOf,
}: Crowd): Promise<string> {
  const at = (name: string) => join(folder, name)
  // A shell here says at once that it is there, as for certs.
  const marked = (input: string) => `printf '\\n%s\\n' 0123456789abcdef\n${input}`
  await writeFile(at('inspect'), marked(inputs.inspect))
  await writeFile(at('install'), marked(inputs.install))
  await writeFile(at('nodes'), names.map((name) => `${addressOf(name)} ${ports[name]!.ssh}\n`).join(''))
  const patience = 'ConnectTimeout=10 ServerAliveInterval=3 ServerAliveCountMax=3'
  const settings = `BatchMode=yes IdentitiesOnly=yes UserKnownHostsFile=${knownHosts} ${patience}`.split(' ')
  const options = `-F none -i ${identity} -l deploy -p "$2" ${settings.map((one) => `-o ${one}`).join(' ')}`
  // OpenSSH itself never leaves a node that talks without end.
  const send = (what: string) =>
    `timeout 5 ssh ${options} "$1" /bin/sh -s <${at(what)} 2>/dev/null | head -c 262144 | tail -n 1`
  const lines = [`case $(${send('inspect')}) in *' end ok') ${send('install')} >/dev/null ;; esac`, 'exit 0']
  await writeFile(at('by-hand'), `${lines.join('\n')}\n`)
  return at('by-hand')
}

async function runQuietly(line: string): Promise<void> {
  await once(spawn('sh', ['-c', line], { stdio: 'ignore' }), 'close')
}
