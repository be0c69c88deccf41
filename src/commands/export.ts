import { Buffer } from 'node:buffer'
import { open, rm } from 'node:fs/promises'
import path from 'node:path'
import type { App } from '../app.ts'
import { filesOf } from '../core/certificate.ts'
import type { Version } from '../core/certificate.ts'
import { CertsError, ConfigError, StateError } from '../core/errors.ts'
import type { Secret } from '../core/secret.ts'
import { selectCertificates } from '../core/selection.ts'
import type { Io } from '../io.ts'
import { record } from '../record.ts'
import { commonHelp, exitCode } from './command.ts'
import type { Command, Invocation } from './command.ts'
import { passwordOptions, readPassword } from './password.ts'
import { parseVersion } from './rollout.ts'
import { withApp } from './session.ts'

export const command: Command = {
  help: `certs export NAME --out FILE — one version with its key, in one file

For what certs does not deploy to. The file is new, readable by its owner alone, and
never overwrites another. Who has it has the key: the journal says that it was made.

Options
  --out FILE             where to write it
  --format FORMAT        pem (default): key, leaf, chain; or pkcs12, sealed by a password
  --version N            this stored version instead of the newest
  --password-file FILE   the password of a pkcs12 file; on a terminal it is asked for
  --password-env NAME    the same from an environment variable
${commonHelp}
Examples
  certs export media.hachyderm.io --out media.pem
  certs export media.hachyderm.io --format pkcs12 --out media.p12 --password-file secret
`,
  options: {
    out: { type: 'string' },
    format: { type: 'string' },
    version: { type: 'string' },
    ...passwordOptions,
  },
  operands: ['NAME'],
  async run(invocation, io) {
    const number = parseVersion(invocation.value('version'), '--version')
    const file = chooseFile(invocation, io)
    const format = chooseFormat(invocation)
    const exported = await withApp(invocation, io, async (app, progress) => {
      const [certificate] = selectCertificates(app.settings.certificates, invocation.operands)
      const version = await readVersion(app, certificate!.name, number)
      progress.clear()
      const password = format === 'pkcs12' ? await readPassword(invocation, io) : undefined
      const bytes = await encode(version, password, io)
      await using _lock = await app.lock()
      const facts = { number: version.number, format, file }
      await record(app, { certificate: certificate!.name, action: 'export', facts }, async () => {
        await writeNew(file, bytes)
        return { done: undefined, facts }
      })
      return { certificate: certificate!.name, ...facts }
    })
    io.stdout.write(
      invocation.flag('json')
        ? `${JSON.stringify(exported, null, 2)}\n`
        : `Wrote version ${exported.number} of ${exported.certificate} with its key to ${file}.\n`,
    )
    return exitCode.done
  },
}

function chooseFile(invocation: Invocation, io: Io): string {
  const out = invocation.value('out')
  if (out === undefined || out === '') {
    throw new ConfigError('certs export: --out FILE is missing', { hint: 'certs export --help' })
  }
  return path.resolve(io.cwd, out)
}

function chooseFormat(invocation: Invocation): 'pem' | 'pkcs12' {
  const format = invocation.value('format') ?? 'pem'
  if (format !== 'pem' && format !== 'pkcs12') {
    throw new ConfigError(`--format "${format}" is not known`, { hint: 'pem and pkcs12 are' })
  }
  const given = Object.keys(passwordOptions).find((option) => invocation.value(option) !== undefined)
  if (format === 'pkcs12' || given === undefined) return format
  throw new ConfigError(`certs export: a pem file has no password, so --${given} means nothing`, {
    hint: 'add --format pkcs12',
  })
}

async function readVersion({ store }: App, name: string, asked: number | undefined): Promise<Version> {
  const numbers = await store.listVersions(name)
  const number = asked ?? numbers.at(-1)
  const version = number === undefined ? undefined : await store.getVersion(name, number)
  if (version) return version
  const which = number === undefined ? 'no version' : `no version ${number}`
  throw new StateError(`${which} of ${name} is stored in ${store.place}`, {
    hint: numbers.length > 0 ? `stored versions: ${numbers.join(', ')}` : `certs rollout ${name} issues one`,
  })
}

async function encode(version: Version, password: Secret | undefined, io: Io): Promise<Buffer> {
  if (!password) {
    const { privkey, fullchain } = filesOf(version)
    return Buffer.from(privkey + fullchain)
  }
  const { encodePkcs12 } = await import('../core/pkcs12.ts')
  const random = (bytes: number) => Buffer.from(io.random(bytes), 'hex')
  return encodePkcs12(version, { password, friendlyName: version.certificate, random })
}

/** Private from its first instant; a file that could not be finished is taken away again. */
async function writeNew(file: string, bytes: Buffer): Promise<void> {
  let made = false
  try {
    await using handle = await open(file, 'wx', 0o600)
    made = true
    await handle.writeFile(bytes)
    await handle.sync()
  } catch (error) {
    if (made) await rm(file, { force: true })
    const { code } = error as NodeJS.ErrnoException
    const exists = code === 'EEXIST'
    throw new CertsError(`writing ${file} failed: ${exists ? 'it exists already' : code}`, {
      cause: error,
      hint: exists ? 'name another file with --out, or move that one away' : undefined,
    })
  }
}
