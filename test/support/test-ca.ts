import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']

/** A private CA for HTTPS servers of tests, made by openssl; its files are gone when the promise resolves. */
export interface TestCa {
  /** PEM of the root. */
  readonly root: string
  readonly rootKey: string
  /** A server certificate for these addresses and names. */
  issue(names: readonly string[], options?: { readonly days?: number }): Promise<ServerPair>
}

export interface ServerPair {
  readonly key: string
  readonly cert: string
}

export async function createTestCa(commonName = 'certs test root'): Promise<TestCa> {
  const { key: rootKey, cert: root } = await request(['-x509', '-subj', `/CN=${commonName}`, '-days', '30'])
  return {
    root,
    rootKey,
    issue: (names, { days = 7 } = {}) => {
      const san = names.map((name) => `${isIP(name) ? 'IP' : 'DNS'}:${name}`).join(',')
      const extensions = ['-addext', `subjectAltName=${san}`, '-addext', 'basicConstraints=critical,CA:FALSE']
      const options = ['-x509', '-subj', '/CN=certs test server', '-days', String(days), ...extensions]
      return request(options, { root, rootKey })
    },
  }
}

async function request(
  options: readonly string[],
  signer?: { readonly root: string; readonly rootKey: string },
): Promise<ServerPair> {
  const folder = await mkdtemp(join(tmpdir(), 'certs-ca-'))
  try {
    const at = (name: string): string => join(folder, name)
    const files = ['-keyout', at('key.pem'), '-out', at('cert.pem')]
    if (signer === undefined) await run('openssl', ['req', ...newKey, ...files, ...options])
    else {
      await writeFile(at('root.pem'), signer.root)
      await writeFile(at('root-key.pem'), signer.rootKey, { mode: 0o600 })
      const by = ['-CA', at('root.pem'), '-CAkey', at('root-key.pem')]
      await run('openssl', ['req', ...newKey, ...files, ...options, ...by])
    }
    return { key: await readFile(at('key.pem'), 'utf8'), cert: await readFile(at('cert.pem'), 'utf8') }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
