import { randomBytes, randomUUID } from 'node:crypto'
import { startJsonApi, type ApiAnswer, type ApiRequest, type JsonApi } from './json-api.ts'

export interface Account {
  readonly username: string
  readonly password: string
  readonly fulldomain: string
  readonly subdomain: string
  readonly allowfrom: readonly string[]
}

/** The API of joohoi's acme-dns: two places for each account, of which the older is overwritten. */
export interface AcmeDnsApi extends JsonApi {
  register(): Account
  /** As DNS shows them: each value once, sorted. */
  values(fulldomain: string): string[]
}

/** `now` in seconds, as the server keeps it. */
export async function startAcmeDnsApi(zone: string, now: () => number): Promise<AcmeDnsApi> {
  const accounts = new Map<string, Account>()
  const places = new Map<string, { value: string; updated: number }[]>()

  function register(): Account {
    const subdomain = randomUUID()
    const account = {
      username: randomUUID(),
      password: randomBytes(30).toString('base64url'),
      fulldomain: `${subdomain}.${zone}`,
      subdomain,
      allowfrom: [],
    }
    accounts.set(account.username, account)
    places.set(
      subdomain,
      [0, 0].map((updated) => ({ value: '', updated })),
    )
    return account
  }

  function answer({ method, url, headers, body }: ApiRequest): ApiAnswer {
    if (method !== 'POST' || url.pathname !== '/update') return { status: 404, body: '404 page not found' }
    const account = accounts.get(String(headers['x-api-user']))
    const { subdomain, txt } = body as { subdomain: string; txt: string }
    if (account?.password !== headers['x-api-key'] || account?.subdomain !== subdomain) {
      return { status: 401, body: { error: 'forbidden' } }
    }
    if (!/^[\w-]{43}$/.test(txt)) return { status: 400, body: { error: 'bad_txt' } }
    const [oldest] = (places.get(subdomain) ?? []).toSorted((a, b) => a.updated - b.updated)
    Object.assign(oldest!, { value: txt, updated: now() })
    return { status: 200, body: { txt } }
  }

  const values = (fulldomain: string): string[] => {
    const held = places.get(fulldomain.split('.')[0]!) ?? []
    return [...new Set(held.map(({ value }) => value).filter((value) => value !== ''))].toSorted()
  }
  return Object.assign(await startJsonApi(answer), { register, values })
}
