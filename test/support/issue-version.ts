import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { splitPem } from '../../src/core/certificate.ts'
import type { Version } from '../../src/core/certificate.ts'
import { Secret } from '../../src/core/secret.ts'

const run = promisify(execFile)

/** A version with a real key, a leaf for it and the leaf's issuer as its chain, made by openssl. */
export async function issueVersion(certificate: string, number: number): Promise<Version> {
  const folder = await mkdtemp(join(tmpdir(), 'certs-issue-'))
  const openssl = (args: string) => run('openssl', args.split(' '), { cwd: folder })
  const newKey = '-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
  try {
    await openssl(`req -x509 ${newKey} -keyout ca.key -out ca.pem -subj /CN=Test-CA`)
    const signed = `-CA ca.pem -CAkey ca.key -days 90 -subj /CN=${certificate}`
    const names = `-addext subjectAltName=DNS:${certificate}`
    await openssl(`req -x509 ${newKey} -keyout leaf.key -out leaf.pem ${signed} ${names}`)
    const read = (name: string) => readFile(join(folder, name), 'utf8')
    const [leaf] = splitPem(await read('leaf.pem'))
    const [chain] = splitPem(await read('ca.pem'))
    if (!leaf || !chain) throw new Error('openssl made no certificate')
    return { certificate, number, key: new Secret(await read('leaf.key')), leaf, chain }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
