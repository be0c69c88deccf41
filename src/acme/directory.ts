import type { AcmeSettings } from '../core/acme.ts'
import { accepted, jsonOf } from './answer.ts'
import { defaultPace, type Pace } from './pace.ts'
import { retry } from './retry.ts'
import { type Answer, createTransport, type Transport } from './transport.ts'
import { type Directory, type Origin, parseDirectory } from './wire.ts'

/** Asks a CA for its directory (RFC 8555 section 7.1.1), and nothing more: no account is needed or made. */
export async function readDirectory(
  settings: Pick<AcmeSettings, 'directory' | 'caBundle' | 'place'>,
  signal: AbortSignal,
  { now = () => new Date(), pace = defaultPace } = {},
): Promise<Directory> {
  using transport = createTransport({ ...settings, requestMs: pace.requestMs, signal })
  return await fetchDirectory(transport, { settings, now, signal, pace })
}

export interface FetchOptions {
  readonly settings: Pick<AcmeSettings, 'directory'>
  readonly now: () => Date
  readonly signal: AbortSignal
  readonly pace: Pace
}

/** Repeated for a few seconds only: it is the first request of a run, and nothing is at stake yet. */
export async function fetchDirectory(transport: Transport, options: FetchOptions): Promise<Directory> {
  const { settings, now, signal, pace } = options
  const url = settings.directory
  const origin: Origin = { step: `reading the directory at ${new URL(url).host}`, directory: url }
  const attempt = async (): Promise<Directory> => {
    const answer = await transport.send({ method: 'GET', url, step: origin.step })
    const directory = parseDirectory(jsonOf(accepted(answer, origin, now()), origin), origin)
    return { ...directory, date: dateOf(answer) }
  }
  return retry(attempt, { budgetMs: pace.firstRetryMs, pace, signal })
}

function dateOf({ headers }: Answer): Date | undefined {
  const at = Date.parse(headers['date'] ?? '')
  return Number.isNaN(at) ? undefined : new Date(at)
}
