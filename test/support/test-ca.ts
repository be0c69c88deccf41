import { isIP } from 'node:net'
import { type Made, makeCertificate } from './x509.ts'

/** A private CA for HTTPS servers of tests. */
export interface TestCa {
  /** PEM of the root. */
  readonly root: string
  /** A server certificate for these addresses and names. */
  issue(names: readonly string[]): Promise<Made>
}

export async function createTestCa(commonName = 'certs test root'): Promise<TestCa> {
  const root = await makeCertificate({
    subject: `/CN=${commonName}`,
    extensions: ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign'],
  })
  return {
    root: root.cert,
    issue: (names) => {
      const san = names.map((name) => `${isIP(name) ? 'IP' : 'DNS'}:${name}`).join(',')
      const extensions = ['basicConstraints=critical,CA:FALSE', `subjectAltName=${san}`]
      return makeCertificate({ subject: '/CN=certs test server', by: root, extensions, days: 7 })
    },
  }
}
