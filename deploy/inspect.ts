import type { Inspection, Node } from '../src/core/node.ts'
import { printable, printableLine } from '../src/core/printable.ts'
import { decode, encode, newToken, type Answer } from './node/frame.ts'
import { readLineages } from './node/lineage.ts'
import { readRefusal } from './node/refusal.ts'
import type { Shell } from './shell.ts'

export interface InspectOptions {
  readonly signal?: AbortSignal | undefined
  /** Seconds that the node's nginx test may take. */
  readonly limit?: number | undefined
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
  { signal, limit = 30 }: InspectOptions,
): Promise<Inspection> {
  const token = newToken()
  const settings = {
    root: node.root,
    certificate: certificates,
    limit: String(limit),
    test: node.nginx.test,
    reload: node.nginx.reload,
  }
  const said = await shell.run(encode({ verb: 'inspect', settings }, token), {
    signal,
    silenceMs: (limit + 15) * 1000,
  })
  const answer = decode(said, token, { node: node.name, step: 'inspect', left: 'unchanged' })
  if (!answer.ok) throw readRefusal(node, { verb: 'inspect', certificate: '', number: 0, limit }, answer)
  return readInspection(answer, certificates)
}

function readInspection(answer: Answer, certificates: readonly string[]): Inspection {
  const [installed, running] = answer.last('nginx')?.split(' ') ?? []
  const [timer, cron] = answer.last('certbot')?.split(' ') ?? []
  const [writable, blocks, blockSize, inodes, allInodes] = answer.last('disk')?.split(' ') ?? []
  const exchange = answer.last('exchange')
  return {
    ...(answer.program === 'sent' ? {} : { program: answer.program }),
    clock: answer.last('clock') ?? '',
    system: printableLine(answer.last('system') ?? ''),
    nginx: {
      installed: installed === 'yes',
      running: running === 'yes',
      test: { ok: answer.last('test') === '0', output: printable(answer.all('said').join('\n')) },
      reads: answer.all('reads').map(readRead),
    },
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

function readRead(line: string): Inspection['nginx']['reads'][number] {
  const [file = '', names = ''] = line.split('\t')
  return {
    file: printableLine(file, { max: 4096 }),
    serverNames: names.split(' ').filter((name) => name !== ''),
  }
}
