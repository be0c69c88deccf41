import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface Made {
  /** One PEM block. */
  readonly cert: string
  /** PKCS#8 PEM. */
  readonly key: string
}

export interface Recipe {
  /** `/CN=…`; may be `/` for none. */
  readonly subject: string
  /** The issuer; self-signed without one. */
  readonly by?: Made
  /** An existing key; a new P-256 one otherwise. */
  readonly key?: string
  /** As openssl writes them: `subjectAltName=DNS:example.com`. Nothing is added by itself. */
  readonly extensions?: readonly string[]
  readonly days?: number
  readonly digest?: string
  /** `ec:P-256`, `rsa:2048`, … for a new key. */
  readonly newKey?: string
}

/** A certificate made by openssl, as good or as evil as the recipe says. Leaves no file behind. */
export async function makeCertificate(recipe: Recipe): Promise<Made> {
  const { subject, by, key, extensions = [], days = 30, digest = 'sha256', newKey = 'ec:P-256' } = recipe
  const folder = await mkdtemp(join(tmpdir(), 'certs-x509-'))
  try {
    const at = (name: string): string => join(folder, name)
    await writeFile(at('openssl.cnf'), '[req]\ndistinguished_name = name\n[name]\n')
    if (key !== undefined) await writeFile(at('key.pem'), key, { mode: 0o600 })
    else await run('openssl', ['genpkey', ...algorithm(newKey), '-out', at('key.pem')])
    const signing = [
      '-config',
      at('openssl.cnf'),
      '-key',
      at('key.pem'),
      '-out',
      at('cert.pem'),
      `-${digest}`,
    ]
    const options = [
      '-subj',
      subject,
      '-days',
      String(days),
      ...extensions.flatMap((text) => ['-addext', text]),
    ]
    const issuer: string[] = []
    if (by !== undefined) {
      await writeFile(at('by.pem'), by.cert)
      await writeFile(at('by-key.pem'), by.key, { mode: 0o600 })
      issuer.push('-CA', at('by.pem'), '-CAkey', at('by-key.pem'))
    }
    await run('openssl', ['req', '-x509', ...signing, ...options, ...issuer])
    return { key: await readFile(at('key.pem'), 'utf8'), cert: await readFile(at('cert.pem'), 'utf8') }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function algorithm(text: string): string[] {
  const [type, detail] = text.split(':')
  if (type === 'rsa') return ['-algorithm', 'RSA', '-pkeyopt', `rsa_keygen_bits:${detail}`]
  return ['-algorithm', 'EC', '-pkeyopt', `ec_paramgen_curve:${detail}`]
}
