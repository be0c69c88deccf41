import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createLedger } from '../test/support/pebble-ledger.ts'
import { judge, runLine } from './measure.ts'
import { openCertbot, openLego, type OtherClient } from './other-clients.ts'
import { openWorkshop, zone, type Workshop } from './workshop.ts'

const leastTimesFaster = 5

interface Row {
  readonly how: string
  readonly certificates: number
  readonly ms: number
}

/** Many certificates due at the same time: ours in one run, theirs one after the other as their users do. */
export async function benchDueAtOnce(
  program: string,
  { certificates, theirs }: { readonly certificates: number; readonly theirs: number },
): Promise<string> {
  await using workshop = await openWorkshop()
  const others = [await openLego(workshop), await openCertbot(workshop)]
  const rows = [await issueOurs(program, workshop, certificates)]
  for (const client of others) rows.push(...(await issueTheirs(client, theirs)))
  const [ours, ...rest] = rows
  if (!ours) throw new Error('nothing was measured')
  const each = ({ ms, certificates: count }: Row) => ms / count
  const fastest = Math.min(...rest.map(each))
  const lines = rows.map((row) => {
    const [whole, one] = [`${(row.ms / 1000).toFixed(1)} s`, `${(each(row) / 1000).toFixed(2)} s`]
    return `| ${[row.how, row.certificates, whole, one, (each(row) / each(ours)).toFixed(1)].join(' | ')} |`
  })
  return [
    `### ${certificates} certificates due at once`,
    '',
    'One CA (pebble, which refuses no nonce, reuses no proof and asks to be looked at every second) and one name',
    'server (bind9, dynamic updates) for all. Theirs wait for nothing that can be switched off: lego does not look',
    'at the name servers, certbot waits 0 s for them. `certs` looks at each. lego is done in 0.1 s where the CA has',
    'validated before its first look, as no CA on the Internet has, and else waits seconds for its second.',
    '',
    '|  | certificates | in all | each | times ours |',
    '| --- | --: | --: | --: | --: |',
    ...lines,
    '',
    judge(
      'what ours needs for one, to a fifth of the fastest of them',
      each(ours) / (fastest / leastTimesFaster),
      1,
    ),
  ].join('\n')
}

async function issueOurs(program: string, workshop: Workshop, count: number): Promise<Row> {
  const { folder, pebble, named, server, caBundle, tsigSecret } = workshop
  const { name, algorithm } = named.tsig
  const names = Array.from({ length: count }, (_, index) => `certs-${index}.${zone}`)
  const config = {
    state: 'state',
    acme: { directory: pebble.directory, caBundle },
    dns: { home: { provider: 'rfc2136', server, tsig: { name, algorithm, secret: { file: tsigSecret } } } },
    resolvers: [server],
    certificates: Object.fromEntries(names.map((one) => [one, {}])),
  }
  const file = join(folder, 'certs.config.mjs')
  await writeFile(file, `export default ${JSON.stringify(config)}\n`)
  const ledger = createLedger(pebble)
  const began = performance.now()
  await runLine([process.execPath, program, 'renew', '--now', '--config', file])
  const ms = performance.now() - began
  const { orders, certificates } = ledger()
  if (orders !== count || certificates !== count)
    throw new Error(`${orders} orders and ${certificates} certificates for ${count}`)
  return { how: '`certs renew`, one run', certificates: count, ms }
}

/** The first one registers the account, and is counted only where all are renewed. */
async function issueTheirs(client: OtherClient, count: number): Promise<Row[]> {
  const domains = Array.from({ length: count + 1 }, (_, index) => `${client.name}-${index}.${zone}`)
  const [first = '', ...others] = domains
  await client.issue(first)
  const issuing = await timed(async () => {
    for (const domain of others) await client.issue(domain)
  })
  const renewing = await timed(() => client.renew(domains))
  return [
    { how: client.issuing, certificates: others.length, ms: issuing },
    { how: client.renewing, certificates: domains.length, ms: renewing },
  ]
}

async function timed(act: () => Promise<void>): Promise<number> {
  const began = performance.now()
  await act()
  return performance.now() - began
}
