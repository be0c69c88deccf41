import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { text } from 'node:stream/consumers'
import type { Pebble } from '../lab/pebble.ts'

/** Makes pebble answer with this renewalInfo object (RFC 9773 section 4.2) for a certificate that it issued. */
export async function suggest(pebble: Pebble, leaf: string, info: object): Promise<void> {
  const body = JSON.stringify({ Certificate: leaf, ARIResponse: JSON.stringify(info) })
  const headers = { 'user-agent': 'certs-test' }
  const url = `${pebble.managementUrl}/set-renewal-info/`
  const sent = request(url, { method: 'POST', headers, ca: pebble.caBundle, agent: false })
  sent.end(body)
  const [answer] = (await once(sent, 'response')) as [IncomingMessage]
  const said = await text(answer)
  if (answer.statusCode !== 200) throw new Error(`${url} answered ${answer.statusCode}: ${said}`)
}
