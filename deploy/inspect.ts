import type { Inspection, Node, ServiceState } from '../src/core/node.ts'
import { printable, printableLine } from '../src/core/printable.ts'
import { unitOf } from '../src/core/serving.ts'
import type { Services } from '../src/core/serving.ts'
import { decode, encode, newToken, type Answer } from './node/frame.ts'
import { readElsewhere, readLineages } from './node/lineage.ts'
import { readRefusal } from './node/refusal.ts'
import { patience, serviceSettings } from './node/service-settings.ts'
import type { Shell } from './shell.ts'

export interface InspectOptions {
  readonly signal?: AbortSignal | undefined
  /** Seconds that the test of each service may take. */
  readonly limit?: number | undefined
  /** DNS names: what nginx reads for them from elsewhere than live is looked at, too. */
  readonly names?: readonly string[] | undefined
}

/** The answer to one call is capped by the shell; an archive may hold versions of many years. */
const certificatesPerCall = 8

/**
 * Looks inside a node: one call, which writes nothing there. Of an archive of more than twelve versions the
 * newest twelve are told. Throws NodeError with step `inspect`.
 */
export async function inspect(
  shell: Shell,
  node: Node,
  certificates: readonly string[],
  options: InspectOptions = {},
): Promise<Inspection> {
  let inspection = await inspectSome(shell, node, certificates.slice(0, certificatesPerCall), options)
  for (let first = certificatesPerCall; first < certificates.length; first += certificatesPerCall) {
    const some = certificates.slice(first, first + certificatesPerCall)
    const { lineages, disk } = await inspectSome(shell, node, some, options)
    inspection = {
      ...inspection,
      disk: { ...disk, writable: disk.writable && inspection.disk.writable },
      lineages: { ...inspection.lineages, ...lineages },
    }
  }
  return inspection
}

async function inspectSome(
  shell: Shell,
  node: Node,
  certificates: readonly string[],
  { signal, limit = 30, names = [] }: InspectOptions,
): Promise<Inspection> {
  const token = newToken()
  const settings = {
    root: node.root,
    certificate: certificates,
    name: names,
    limit: String(limit),
    ...serviceSettings(node.services),
  }
  const said = await shell.run(encode({ verb: 'inspect', settings }, token), {
    signal,
    silenceMs: patience(node.services, limit),
  })
  const answer = decode(said, token, { node: node.name, step: 'inspect', left: 'unchanged' })
  const asked = { verb: 'inspect', certificate: '', number: 0, limit, services: node.services } as const
  if (!answer.ok) throw readRefusal(node, asked, answer)
  return readInspection(answer, node, certificates)
}

function readInspection(
  answer: Answer,
  { root, services }: Node,
  certificates: readonly string[],
): Inspection {
  const [timer, cron] = answer.last('certbot')?.split(' ') ?? []
  const [writable, blocks, blockSize, inodes, allInodes] = answer.last('disk')?.split(' ') ?? []
  const exchange = answer.last('exchange')
  return {
    ...(answer.program === 'sent' ? {} : { program: answer.program }),
    root,
    clock: answer.last('clock') ?? '',
    system: printableLine(answer.last('system') ?? ''),
    services: readServices(answer, services),
    reads: answer.all('reads').map(readRead),
    elsewhere: readElsewhere(answer),
    certbot: { timer: timer === 'yes', cron: cron === 'yes' },
    disk: {
      freeBytes: Number(blocks) * Number(blockSize) || 0,
      // btrfs counts no inodes: none of none is no shortage.
      freeInodes: allInodes === '0' ? Number.MAX_SAFE_INTEGER : Number(inodes) || 0,
      writable: writable === 'yes',
    },
    exchange: exchange === 'perl' || exchange === 'python3' ? exchange : 'none',
    lineages: readLineages(answer, certificates),
  }
}

/** One that nothing is said of is not installed. */
function readServices(answer: Answer, services: Services): Inspection['services'] {
  const told = answer.parts('service')
  const states = Object.entries(services).map(([name, service]): [string, ServiceState] => {
    const said = told.find(({ of }) => of === name)
    const [installed, running] = said?.last('found')?.split(' ') ?? []
    const output = printable(said?.all('said').join('\n') ?? '')
    return [
      name,
      {
        unit: unitOf(name, service),
        installed: installed === 'yes',
        running: running === 'yes',
        combined: service.combined,
        test: { command: printableLine(service.test.join(' ')), ok: said?.last('test') === '0', output },
      },
    ]
  })
  return Object.fromEntries(states)
}

function readRead(line: string): Inspection['reads'][number] {
  const [file = '', names = '', key = ''] = line.split('\t')
  return {
    file: printableLine(file, { max: 4096 }),
    ...(key === '' ? {} : { key: printableLine(key, { max: 4096 }) }),
    serverNames: names.split(' ').filter((name) => name !== ''),
  }
}
