import { cp, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { interleave, runLine, table } from './measure.ts'
import { openCertbot } from './other-clients.ts'
import { writeState } from './renew.ts'
import { openWorkshop, zone } from './workshop.ts'

const kinds = ['privkey', 'cert', 'chain', 'fullchain']

/** What a timer costs on an ordinary day: `certbot renew` beside `certs renew`, of the same number of certificates. */
export async function benchNoneDue(
  program: string,
  { certificates, rounds }: { readonly certificates: number; readonly rounds: number },
): Promise<string> {
  await using workshop = await openWorkshop()
  const certbot = await openCertbot(workshop)
  const first = `first.${zone}`
  await certbot.issue(first)
  await multiply(certbot.home, first, certificates)
  const folder = join(workshop.folder, 'ours')
  await mkdir(folder)
  await writeState(folder, certificates)

  const [ours, theirs] = ['`certs renew`', '`certbot renew`']
  const env = { ...process.env, CERTS_CONFIG: join(folder, 'certs.config.mjs') }
  const times = await interleave(
    [
      { name: ours, run: () => runLine([process.execPath, program, 'renew', '--now'], env) },
      { name: theirs, run: () => certbot.renewWhatIsDue() },
    ],
    rounds,
  )
  return [
    `### ${certificates} certificates, none due, beside certbot`,
    '',
    'One process each that looks at what it has stored, finds nothing due, and ends.',
    '',
    table(times, ours),
  ].join('\n')
}

/** One lineage under many names, as if certbot had issued each of them. */
async function multiply(home: string, first: string, count: number): Promise<void> {
  const conf = await readFile(join(home, 'renewal', `${first}.conf`), 'utf8')
  for (let index = 0; index < count; index++) {
    const name = `site-${index}.${zone}`
    await cp(join(home, 'archive', first), join(home, 'archive', name), { recursive: true })
    await mkdir(join(home, 'live', name))
    for (const kind of kinds)
      await symlink(`../../archive/${name}/${kind}1.pem`, join(home, 'live', name, `${kind}.pem`))
    await writeFile(join(home, 'renewal', `${name}.conf`), conf.replaceAll(first, name))
  }
  await rm(join(home, 'renewal', `${first}.conf`))
}
