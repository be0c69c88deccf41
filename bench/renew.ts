import { link, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openRenewalSheet } from '../src/acme/renewal-sheet.ts'
import { filesOf, readLeaf } from '../src/core/certificate.ts'
import { openFiles } from '../src/state/files.ts'
import { issueVersion } from '../test/support/issue-version.ts'
import { interleave, judge, median, runLine, table } from './measure.ts'

const limits = { ms: 2_000, megabytes: 200 }

/** Written at the end of a process by what is loaded into it: its largest resident set, in kilobytes. */
const meter = `process.on('exit', () => process.getBuiltinModule('fs').writeFileSync(process.env.METER, String(process.resourceUsage().maxRSS)))`

/** What a timer costs every hour: deciding that nothing is due, without any node. */
export async function benchRenew(
  program: string,
  { certificates, rounds }: { certificates: number; rounds: number },
) {
  const folder = await mkdtemp(join(tmpdir(), 'certs-bench-renew-'))
  try {
    await writeState(folder, certificates)
    const kilobytes = join(folder, 'kilobytes')
    const env = { ...process.env, CERTS_CONFIG: join(folder, 'certs.config.mjs'), METER: kilobytes }
    const measured = ['--import', `data:text/javascript,${encodeURIComponent(meter)}`, program]
    const name = `\`certs renew\`, ${certificates} certificates, none due`
    const sizes: number[] = []
    const run = async () => {
      await runLine([process.execPath, ...measured, 'renew', '--now'], env)
      sizes.push(Number(await readFile(kilobytes, 'utf8')) / 1024)
    }
    const bare = '`node -e 0`'
    const nothing = { name: bare, run: () => runLine([process.execPath, '-e', '0']) }
    const times = await interleave([nothing, { name, run }], rounds)
    return [
      `### Deciding that nothing is due`,
      '',
      'Every certificate is configured and stored, and has no nodes; what the CA suggested for each is remembered:',
      'configuration, store and decision alone.',
      '',
      table(times, bare),
      '',
      judge('its time to 2 s', median(times.get(name) ?? []) / limits.ms, 1),
      judge(
        `its memory (${Math.round(Math.max(...sizes))} MB at most) to 200 MB`,
        Math.max(...sizes) / limits.megabytes,
        1,
      ),
    ].join('\n')
  } finally {
    await rm(folder, { recursive: true })
  }
}

// Nobody answers there: asking a CA about each certificate is not measured here.
const directory = 'https://127.0.0.1:1/directory'

/** One version under many names: the same bytes, so that they are made once. */
export async function writeState(folder: string, certificates: number): Promise<void> {
  const version = await issueVersion('www.fleet.example', 1)
  const files = Object.entries(filesOf(version))
  const names = Array.from({ length: certificates }, (_, index) => `site-${index}`)
  const archive = join(folder, 'state/archive')
  await mkdir(archive, { recursive: true, mode: 0o700 })
  for (const [kind, text] of files) await writeFile(join(folder, kind), text, { mode: 0o600 })
  for (const name of names) {
    await mkdir(join(archive, name), { mode: 0o700 })
    for (const [kind] of files) await link(join(folder, kind), join(archive, name, `${kind}1.pem`))
  }
  const config = {
    state: 'state',
    acme: { directory },
    dns: { none: { provider: 'exec', command: ['/bin/false'] } },
    certificates: Object.fromEntries(names.map((name) => [name, { names: ['www.fleet.example'] }])),
  }
  await writeFile(join(folder, 'certs.config.mjs'), `export default ${JSON.stringify(config)}\n`)
  await writeSuggestions(join(folder, 'state'), names, version.leaf)
}

/** What a CA said of each certificate a moment ago. */
async function writeSuggestions(state: string, names: readonly string[], leaf: string): Promise<void> {
  const { fingerprint, notAfter } = readLeaf(leaf)
  const [hour, day] = [3_600_000, 86_400_000]
  const at = (ms: number) => new Date(ms).toISOString()
  const end = Date.parse(notAfter) - 28 * day
  const suggestion = { start: at(end - 2 * day), end: at(end) }
  await using store = await openFiles(state)
  const sheet = openRenewalSheet(store, directory)
  await sheet.load()
  sheet.ca = { directory, url: 'https://127.0.0.1:1/renewal-info', directoryAt: at(Date.now() + 23 * hour) }
  for (const name of names) sheet.set(name, { fingerprint, nextAt: at(Date.now() + 6 * hour), suggestion })
  await sheet.keep()
}
