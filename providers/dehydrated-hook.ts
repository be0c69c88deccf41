import type { Environment } from './command.ts'
import { challengedName, createHook, type HookSettings } from './hook.ts'
import type { Provider, TxtRecord } from './provider.ts'

export interface DehydratedHookSettings extends HookSettings {
  /** The program, and the arguments that come before ours. */
  readonly hook: readonly string[]
}

/** dehydrated keeps this place for the token's file name, which DNS-01 does not use. */
const unusedToken = 'unused'

/**
 * A hook of dehydrated: `HOOK deploy_challenge DOMAIN TOKEN VALUE`, later `HOOK clean_challenge` with the same
 * (its docs/examples/hook.sh). Called for one challenge at a time, as with HOOK_CHAIN=no.
 */
export function dehydratedHook(
  settings: DehydratedHookSettings,
  environment: Environment = process.env,
): Provider {
  const hook = createHook(settings, environment)

  async function call(verb: string, record: TxtRecord, signal: AbortSignal): Promise<void> {
    const domain = challengedName(record)
    const line = [...settings.hook, verb, domain, unusedToken]
    await hook.run([...line, record.value], {
      signal,
      title: `${settings.hook[0]} ${verb} ${domain}`,
      byHand: [...line, 'test'].join(' '),
    })
  }

  return {
    holdsZone: (zone) => hook.holdsZone(zone),
    create: (record, signal) => call('deploy_challenge', record, signal),
    remove: (record, signal) => call('clean_challenge', record, signal),
  }
}
