import type { Environment } from './command.ts'
import { challengedName, createHook, type HookSettings } from './hook.ts'
import type { Provider, TxtRecord } from './provider.ts'

export interface CertbotHookSettings extends HookSettings {
  /** As in --manual-auth-hook, a word for each argument. */
  readonly authHook: readonly string[]
  /** As in --manual-cleanup-hook. */
  readonly cleanupHook: readonly string[]
}

/**
 * certbot's hooks for its manual plugin, which learn everything from the environment: CERTBOT_DOMAIN,
 * CERTBOT_VALIDATION and, for the cleanup, what the auth hook printed as CERTBOT_AUTH_OUTPUT
 * (https://eff-certbot.readthedocs.io/en/stable/using.html#hooks).
 */
export function certbotHook(settings: CertbotHookSettings, environment: Environment = process.env): Provider {
  const hook = createHook(settings, environment)
  /** Of this run only: after a crash, a cleanup hook has to find its record by name and value. */
  const outputs = new Map<string, string>()
  const keyOf = ({ name, value }: TxtRecord): string => `${name} ${value}`

  function call(
    command: readonly string[],
    record: TxtRecord,
    { signal, variables }: { signal: AbortSignal; variables?: Environment },
  ): Promise<string> {
    const domain = challengedName(record)
    return hook.run(command, {
      signal,
      variables: {
        CERTBOT_DOMAIN: domain,
        CERTBOT_VALIDATION: record.value,
        CERTBOT_TOKEN: '',
        CERTBOT_ALL_DOMAINS: domain,
        CERTBOT_REMAINING_CHALLENGES: '0',
        ...variables,
      },
      title: `${command[0]} for ${domain}`,
      byHand: `CERTBOT_DOMAIN=${domain} CERTBOT_VALIDATION=test ${command.join(' ')}`,
    })
  }

  return {
    holdsZone: (zone) => hook.holdsZone(zone),
    async create(record, signal) {
      outputs.set(keyOf(record), (await call(settings.authHook, record, { signal })).trim())
    },
    async remove(record, signal) {
      const variables = { CERTBOT_AUTH_OUTPUT: outputs.get(keyOf(record)) ?? '' }
      await call(settings.cleanupHook, record, { signal, variables })
      outputs.delete(keyOf(record))
    },
  }
}
