import type { Environment } from './command.ts'
import { createHook, type HookSettings } from './hook.ts'
import type { Provider, TxtRecord } from './provider.ts'

export interface ExecSettings extends HookSettings {
  /** The program, and the arguments that come before ours. */
  readonly command: readonly string[]
}

/**
 * A command in the convention of lego's exec provider: `COMMAND present|cleanup _acme-challenge.NAME. VALUE`,
 * exit code 0 for success.
 */
export function exec(settings: ExecSettings, environment: Environment = process.env): Provider {
  const { command } = settings
  const hook = createHook(settings, environment)

  async function call(verb: string, { name, value }: TxtRecord, signal: AbortSignal): Promise<void> {
    await hook.run([...command, verb, `${name}.`, value], {
      signal,
      title: `${command[0]} ${verb} ${name}.`,
      byHand: [...command, verb, `${name}.`, 'test'].join(' '),
    })
  }

  return {
    holdsZone: (zone) => hook.holdsZone(zone),
    create: (record, signal) => call('present', record, signal),
    remove: (record, signal) => call('cleanup', record, signal),
  }
}
