import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startNamed, type Named } from '../test/lab/named.ts'
import { startPebble, type Pebble } from '../test/lab/pebble.ts'

export const zone = 'fleet.example'

/** A real CA and a real name server that takes dynamic updates, for whichever client is measured. */
export interface Workshop extends AsyncDisposable {
  readonly folder: string
  readonly named: Named
  readonly pebble: Pebble
  /** `ADDRESS:PORT` of the name server: the primary of the zone, and the whole DNS. */
  readonly server: string
  /** A PEM file of the roots to trust. */
  readonly caBundle: string
  /** A file with the secret of the name server's TSIG key. */
  readonly tsigSecret: string
}

/** The CA refuses no nonce, since certbot dies of two in a row, and reuses no proof: each certificate costs the same. */
const kindly = { PEBBLE_WFE_NONCEREJECT: '0', PEBBLE_AUTHZREUSE: '0' }

export async function openWorkshop(): Promise<Workshop> {
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'certs-bench-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const named = stack.use(await startNamed({ zones: { [zone]: {} } }))
  const server = `${named.address}:${named.port}`
  const pebble = stack.use(await startPebble({ dnsServer: server, env: kindly, retryAfter: 1 }))
  const [caBundle, tsigSecret] = [join(folder, 'ca.pem'), join(folder, 'tsig.secret')]
  await writeFile(caBundle, pebble.caBundle)
  await writeFile(tsigSecret, named.tsig.secret, { mode: 0o600 })
  const started = stack.move()
  return {
    folder,
    named,
    pebble,
    server,
    caBundle,
    tsigSecret,
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}
