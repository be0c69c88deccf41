import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { get } from 'node:https'
import { text } from 'node:stream/consumers'
import { readLeaf } from '../../src/core/certificate.ts'
import type { Pebble } from '../lab/pebble.ts'

/** What pebble says of a certificate, given as PEM: `Valid`, or `Revoked` with its reason code. */
export async function statusOf(pebble: Pebble, leaf: string): Promise<string> {
  const serial = readLeaf(leaf).serial.toLowerCase().replace(/^0+/, '')
  const asked = get(`${pebble.managementUrl}/cert-status-by-serial/${serial}`, {
    ca: pebble.httpsRoot,
    agent: false,
  })
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  const { Status, Reason = 0 } = JSON.parse(await text(answer)) as { Status: string; Reason?: number }
  return Status === 'Revoked' ? `Revoked ${Reason}` : Status
}
