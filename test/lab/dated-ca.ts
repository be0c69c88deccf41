import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { command } from './command.ts'

/** A root and an intermediate whose certificates may lie in the past, as openssl's `ca` makes them. */
export interface DatedCa extends AsyncDisposable {
  /** PEM of the root. */
  readonly root: string
  issue(order: DatedOrder): Promise<DatedVersion>
}

export interface DatedOrder {
  /** The first becomes the common name, too. */
  readonly names: readonly string[]
  readonly notBefore: Date
  readonly notAfter: Date
}

/** PEM texts; the chain is the intermediate alone. */
export interface DatedVersion {
  readonly key: string
  readonly leaf: string
  readonly chain: string
}

/** Works in `folder`, which it makes and, when disposed of, removes. */
export async function createDatedCa(folder: string): Promise<DatedCa> {
  await mkdir(folder, { mode: 0o700 })
  const at = (file: string): string => join(folder, file)
  await writeFile(at('ca.conf'), configuration)
  await writeFile(at('index.txt'), '')
  const longAgo = ['-startdate', '20200101000000Z', '-enddate', '20400101000000Z']
  await openssl(folder, request('root', 'Lab Root X1'))
  await openssl(folder, [...sign('root', 'authority'), '-selfsign', '-keyfile', 'root.key', ...longAgo])
  await openssl(folder, request('intermediate', 'Lab E7'))
  await openssl(folder, [...sign('intermediate', 'authority'), ...by('root'), ...longAgo])
  const chain = await readFile(at('intermediate.pem'), 'utf8')
  return {
    root: await readFile(at('root.pem'), 'utf8'),
    async issue({ names, notBefore, notAfter }) {
      const names_ = names.map((name) => `DNS:${name}`).join(',')
      await openssl(folder, [...request('leaf', names[0] ?? ''), '-addext', `subjectAltName=${names_}`])
      const dates = ['-startdate', timeOf(notBefore), '-enddate', timeOf(notAfter)]
      await openssl(folder, [...sign('leaf', 'server'), ...by('intermediate'), ...dates])
      return {
        key: await readFile(at('leaf.key'), 'utf8'),
        leaf: await readFile(at('leaf.pem'), 'utf8'),
        chain,
      }
    },
    [Symbol.asyncDispose]: async () => rm(folder, { recursive: true, force: true }),
  }
}

function request(file: string, commonName: string): string[] {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${file}.key`]
  return ['req', ...key, '-subj', `/CN=${commonName}`, '-out', `${file}.csr`]
}

function sign(file: string, extensions: string): string[] {
  const common = ['-batch', '-notext', '-config', 'ca.conf', '-extensions', extensions]
  return ['ca', ...common, '-in', `${file}.csr`, '-out', `${file}.pem`]
}

function by(issuer: string): string[] {
  return ['-cert', `${issuer}.pem`, '-keyfile', `${issuer}.key`]
}

async function openssl(folder: string, argv: readonly string[]): Promise<void> {
  const ran = await command(['openssl', ...argv], { cwd: folder })
  if (ran.exitCode !== 0) throw new Error(`openssl ${argv[0]} (exit ${ran.exitCode}): ${ran.stderr.trim()}`)
}

/** YYYYMMDDHHMMSSZ. */
function timeOf(date: Date): string {
  return `${date.toISOString().replaceAll(/[-:T]|\..*/g, '')}Z`
}

const configuration = `[ca]
default_ca = lab
[lab]
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
unique_subject = no
copy_extensions = copy
policy = any
[any]
commonName = supplied
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
[server]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
`
