import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { readLeaf } from '../../src/core/certificate.ts'

const run = promisify(execFile)

export interface Chain {
  readonly key: string
  readonly leaf: string
  readonly intermediate: string
  readonly root: string
  /** SHA-256 fingerprints. */
  readonly wanted: { readonly leafFingerprint: string; readonly chainFingerprints: readonly string[] }
}

export interface ChainOptions {
  readonly names: readonly string[]
  readonly key?: 'ec' | 'rsa'
  /** Already over. */
  readonly expired?: boolean
}

/** A root, an intermediate and a leaf, as a CA has them; made by openssl. */
export async function makeChain({ names, key = 'ec', expired = false }: ChainOptions): Promise<Chain> {
  const folder = await mkdtemp(join(tmpdir(), 'certs-chain-'))
  const openssl = (...args: string[]) => run('openssl', args, { cwd: folder })
  const read = (name: string) => readFile(join(folder, name), 'utf8')
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  const ca = ['-addext', 'basicConstraints=critical,CA:TRUE']
  const leafKey = key === 'ec' ? ec : ['-newkey', 'rsa:2048', '-nodes']
  try {
    await openssl(
      'req',
      '-x509',
      ...ec,
      '-keyout',
      'root.key',
      '-out',
      'root.pem',
      '-subj',
      '/CN=Test Root',
      ...ca,
    )
    const byRoot = ['-CA', 'root.pem', '-CAkey', 'root.key']
    await openssl(
      'req',
      '-x509',
      ...ec,
      '-keyout',
      'mid.key',
      '-out',
      'mid.pem',
      '-subj',
      '/CN=Test E1',
      ...ca,
      ...byRoot,
    )
    const san = ['-addext', `subjectAltName=${names.map((name) => `DNS:${name}`).join(',')}`]
    await openssl(
      'req',
      '-new',
      ...leafKey,
      '-keyout',
      'leaf.key',
      '-out',
      'leaf.csr',
      '-subj',
      `/CN=${names[0]}`,
      ...san,
    )
    const days = ['-days', expired ? '-1' : '90']
    const by = ['-CA', 'mid.pem', '-CAkey', 'mid.key', '-copy_extensions', 'copyall']
    await openssl('x509', '-req', '-in', 'leaf.csr', ...days, ...by, '-out', 'leaf.pem')
    const [leafPem, intermediate] = [await read('leaf.pem'), await read('mid.pem')]
    return {
      key: await read('leaf.key'),
      leaf: leafPem,
      intermediate,
      root: await read('root.pem'),
      wanted: {
        leafFingerprint: readLeaf(leafPem).fingerprint,
        chainFingerprints: [readLeaf(intermediate).fingerprint],
      },
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
