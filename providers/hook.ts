import { ProviderError } from '../src/core/errors.ts'
import { printable } from '../src/core/printable.ts'
import { runCommand, type Environment } from './command.ts'
import type { TxtRecord } from './provider.ts'
import { createTurns } from './turns.ts'

/** What every provider that calls a command of yours takes. */
export interface HookSettings {
  readonly zones?: readonly string[] | undefined
  readonly timeoutSeconds?: number | undefined
  /** Names of variables that are handed on; their values never appear in an error. */
  readonly env?: readonly string[] | undefined
}

export interface HookCall {
  readonly signal: AbortSignal
  /** Variables of this call, besides those that are handed on. */
  readonly variables?: Environment | undefined
  /** The call in a message; the command itself unless given. */
  readonly title?: string | undefined
  /** How to try the same by hand; the command itself unless given. */
  readonly byHand?: string | undefined
}

export interface Hook {
  /** Resolves with what stands on its standard output. Throws ProviderError with the end of what it said. */
  run(command: readonly string[], call: HookCall): Promise<string>
  holdsZone(zone: string): Promise<boolean>
}

const alwaysSeen = ['PATH', 'HOME', 'LANG', 'TZ']

/** Commands, one at a time: such scripts often read, change and write a whole zone. */
export function createHook(settings: HookSettings, environment: Environment): Hook {
  const { zones, timeoutSeconds = 60, env: passed = [] } = settings
  const seen = Object.fromEntries([...alwaysSeen, ...passed].map((name) => [name, environment[name]]))
  const secrets = passed.flatMap((name) => environment[name] || [])
  const inTurn = createTurns()

  return {
    run: (command, { signal, variables, title = command.join(' '), byHand = title }) =>
      inTurn('', async () => {
        const [program = '', ...line] = command
        const options = { env: { ...seen, ...variables }, signal, timeoutMs: timeoutSeconds * 1000 }
        const { failure, output, stdout } = await runCommand(program, line, options)
        if (failure === '') return stdout
        const words = secrets.reduce((text, secret) => text.replaceAll(secret, '[secret]'), output)
        throw new ProviderError(`${title} failed: ${failure}`, {
          detail: printable(words.trimEnd().split('\n').slice(-10).join('\n')),
          hint: `try it by hand: ${byHand}`,
        })
      }),
    holdsZone: async (zone) => zones?.includes(zone) ?? true,
  }
}

/**
 * The name for which `_acme-challenge.NAME` is written, for conventions that hand over nothing else. Throws
 * ProviderError for another name, as a delegation can lead to: such a hook would write the wrong record.
 */
export function challengedName({ name, zone }: TxtRecord): string {
  const prefix = '_acme-challenge.'
  if (name.startsWith(prefix)) return name.slice(prefix.length)
  throw new ProviderError(`calling the hook for TXT ${name} failed: it can only write ${prefix}NAME`, {
    hint: `let the CNAME lead to a name that begins with _acme-challenge, as ${prefix}${zone}`,
  })
}
