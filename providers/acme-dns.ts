import { setTimeout as sleep } from 'node:timers/promises'
import { ConfigError, ProviderError } from '../src/core/errors.ts'
import type { Secret } from '../src/core/secret.ts'
import { apiUrl as checkUrl } from './api-url.ts'
import { createApi } from './api.ts'
import type { Provider, TxtRecord } from './provider.ts'
import { createTurns } from './turns.ts'

export interface AcmeDnsSettings {
  /** Of the acme-dns server: `https://auth.acme-dns.io`. */
  readonly url: string
  /** JSON as acme-dns clients keep it: by domain, what /register answered. */
  readonly accounts: Secret
}

interface Account {
  readonly username: string
  readonly password: string
  readonly subdomain: string
  /** Where the CNAME of the domain leads: `SUBDOMAIN.ZONE`. */
  readonly fulldomain: string
}

/**
 * https://github.com/joohoi/acme-dns: each account writes one name, which keeps its two latest values. There
 * is nothing that removes: a value stays until two later ones have pushed it out, which harms nobody.
 */
export function acmeDns({ url, accounts }: AcmeDnsSettings): Provider {
  const base = checkUrl(url, { of: 'url of acme-dns', inside: true })
  const byName = readAccounts(accounts)
  const inTurn = createTurns()
  /** The latest value that this run has sent for each name. */
  const sent = new Map<string, string>()

  function accountOf({ name }: TxtRecord): Account {
    const account = byName.get(name)
    if (account) return account
    throw new ProviderError(`no account in accounts of acme-dns has the fulldomain ${name}`, {
      hint: `make one (curl -X POST ${base}/register), add its answer to accounts, and let _acme-challenge.DOMAIN be a CNAME to its fulldomain`,
    })
  }

  async function update(account: Account, record: TxtRecord, signal: AbortSignal): Promise<void> {
    const api = createApi({
      service: `acme-dns (${new URL(base).host})`,
      url: base,
      headers: { 'x-api-user': account.username, 'x-api-key': account.password },
      credential: {
        what: 'the account',
        hint: `compare the account of ${record.name} in accounts with what /register answered, and its allowfrom with this machine's address`,
      },
    })
    const other = sent.get(record.name)
    const pair = other === undefined || other === record.value ? [record.value] : [other, record.value]
    let tries = 0
    await api.run(`adding TXT ${record.name}`, signal, async (call) => {
      const again = tries++ > 0
      // Without an answer, this value may stand in both places, in that of the one before: so both again. The
      // server pushes out the older one, and counts in seconds.
      for (const txt of again ? pair : [record.value]) {
        if (again && pair.length > 1) await sleep(1100, undefined, { signal })
        await call('POST', '/update', { subdomain: account.subdomain, txt })
      }
    })
    sent.set(record.name, record.value)
  }

  return {
    holdsZone: async (zone) => [...byName.values()].some((account) => zoneOf(account) === zone),
    create: (record, signal) =>
      inTurn(record.name, async () => {
        signal.throwIfAborted()
        await update(accountOf(record), record, signal)
      }),
    remove: async () => undefined,
  }
}

function zoneOf({ fulldomain, subdomain }: Account): string {
  return fulldomain.slice(subdomain.length + 1).toLowerCase()
}

/** By fulldomain. Throws ConfigError that shows nothing of the text. */
function readAccounts(secret: Secret): Map<string, Account> {
  let accounts: unknown
  try {
    accounts = JSON.parse(secret.reveal())
  } catch {
    throw notAccounts('it is no JSON')
  }
  if (typeof accounts !== 'object' || accounts === null || Array.isArray(accounts)) {
    throw notAccounts('it is no JSON object with a key for each domain')
  }
  const entries = Object.entries(accounts as Readonly<Record<string, Partial<Account> | null>>)
  return new Map(entries.map(([domain, account]) => readAccount(domain, account)))
}

function readAccount(domain: string, account: Partial<Account> | null): [string, Account] {
  const { username, password, subdomain, fulldomain } = account ?? {}
  if (!username || !password || !subdomain || !fulldomain?.toLowerCase().startsWith(`${subdomain}.`)) {
    throw notAccounts(`${domain} lacks one of username, password, subdomain, and fulldomain below subdomain`)
  }
  return [fulldomain.toLowerCase(), { username, password, subdomain, fulldomain }]
}

function notAccounts(why: string): ConfigError {
  return new ConfigError(`reading accounts of acme-dns failed: ${why}`, {
    hint: '{ "example.com": { "username": …, "password": …, "subdomain": …, "fulldomain": … } }, as /register answers',
  })
}
