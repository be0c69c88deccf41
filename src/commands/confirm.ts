import { createInterface } from 'node:readline/promises'
import { ConfigError } from '../core/errors.ts'
import type { Io } from '../io.ts'
import type { Invocation } from './command.ts'

/** Whether a person is to be asked. Throws ConfigError where nobody can be, and `--yes` was not given. */
export function mustAsk(command: string, invocation: Invocation, io: Io): boolean {
  if (invocation.flag('yes')) return false
  if (io.stdin.isTTY && !invocation.flag('json')) return true
  throw new ConfigError(`${command}: this is no terminal, so nobody can be asked`, {
    hint: `${io.commandLine} --yes`,
  })
}

/** Anything but `yes` is a no; so is the end of input. */
export async function confirm(question: string, io: Io): Promise<boolean> {
  const terminal = createInterface({ input: io.stdin, output: io.stderr })
  try {
    const answer = await terminal.question(`${question} Only "yes" goes on: `, { signal: io.signal })
    return answer.trim() === 'yes'
  } catch {
    io.stderr.write('\n')
    return false
  } finally {
    terminal.close()
  }
}
