import { ProviderError } from '../src/core/errors.ts'
import { printable } from '../src/core/printable.ts'
import { runCommand, type Environment } from './command.ts'
import type { Provider, TxtRecord } from './provider.ts'

export interface ExecSettings {
  /** The program, and the arguments that come before ours. */
  readonly command: readonly string[]
  readonly zones?: readonly string[] | undefined
  readonly timeoutSeconds?: number | undefined
  /** Names of variables that are handed on; their values never appear in an error. */
  readonly env?: readonly string[] | undefined
}

const alwaysSeen = ['PATH', 'HOME', 'LANG', 'TZ']

/**
 * A command in the convention of lego's exec provider: `COMMAND present|cleanup _acme-challenge.NAME. VALUE`,
 * exit code 0 for success. One call at a time: such scripts often read, change and write a whole zone.
 */
export function exec(settings: ExecSettings, environment: Environment = process.env): Provider {
  const { command, zones, timeoutSeconds = 60, env: passed = [] } = settings
  const [program = '', ...firstArguments] = command
  const env = Object.fromEntries([...alwaysSeen, ...passed].map((name) => [name, environment[name]]))
  const secrets = passed.flatMap((name) => environment[name] || [])
  let last: Promise<unknown> = Promise.resolve()

  async function call(
    verb: 'present' | 'cleanup',
    { name, value }: TxtRecord,
    signal: AbortSignal,
  ): Promise<void> {
    const line = [...firstArguments, verb, `${name}.`, value]
    const options = { env, signal, timeoutMs: timeoutSeconds * 1000 }
    const { failure, output } = await runCommand(program, line, options)
    if (failure === '') return
    const words = secrets.reduce((text, secret) => text.replaceAll(secret, '[secret]'), output)
    throw new ProviderError(`${program} ${verb} ${name}. failed: ${failure}`, {
      detail: printable(words.trimEnd().split('\n').slice(-10).join('\n')),
      hint: `try it by hand: ${[...command, verb, `${name}.`, 'test'].join(' ')}`,
    })
  }

  function inTurn(work: () => Promise<void>): Promise<void> {
    const turn = last.then(work)
    last = turn.catch(() => undefined)
    return turn
  }

  return {
    holdsZone: async (zone) => zones?.includes(zone) ?? true,
    create: (record, signal) => inTurn(() => call('present', record, signal)),
    remove: (record, signal) => inTurn(() => call('cleanup', record, signal)),
  }
}
