import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { zoneText, type Zone } from './named-configuration.ts'

export interface SignedZone {
  /** The master file with its signatures. */
  readonly text: string
  /** For a validating resolver's `trustAnchors`. */
  readonly trustAnchor: string
}

/** Signs a zone as it would be served at this address, by BIND's own tools. */
export async function signZone(name: string, zone: Zone, address: string): Promise<SignedZone> {
  const folder = await mkdtemp(join(tmpdir(), 'certs-dnssec-'))
  const run = async (program: string, ...argv: readonly string[]): Promise<string> =>
    (await promisify(execFile)(program, argv, { cwd: folder })).stdout.trim()
  try {
    const key = await run('dnssec-keygen', '-q', '-a', 'ECDSAP256SHA256', '-f', 'KSK', name)
    await writeFile(join(folder, 'zone'), zoneText(name, zone, address))
    await run('dnssec-signzone', '-q', '-S', '-z', '-o', name, '-f', 'signed', 'zone')
    const record = await readFile(join(folder, `${key}.key`), 'utf8')
    const [, flags, protocol, algorithm, bytes = ''] = /DNSKEY (\d+) (\d+) (\d+) (.+)/.exec(record) ?? []
    return {
      text: await readFile(join(folder, 'signed'), 'utf8'),
      trustAnchor: `"${name}" static-key ${flags} ${protocol} ${algorithm} "${bytes.replaceAll(' ', '')}";`,
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
