import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { ConfigError } from '../core/errors.ts'
import { Secret } from '../core/secret.ts'
import type { Io } from '../io.ts'
import { resolveSecret } from '../secrets.ts'
import type { Invocation } from './command.ts'

export const passwordOptions = {
  'password-env': { type: 'string' },
  'password-file': { type: 'string' },
} as const

/** From where the options say, else from the terminal, typed twice and not shown. Never from an argument. */
export async function readPassword(invocation: Invocation, io: Io): Promise<Secret> {
  const variable = invocation.value('password-env')
  const file = invocation.value('password-file')
  if (variable !== undefined && file !== undefined) {
    throw new ConfigError('--password-env and --password-file exclude each other')
  }
  if (variable !== undefined) return resolveSecret({ env: variable }, '--password-env', io.env)
  if (file !== undefined) return resolveSecret({ file }, '--password-file', io.env)
  if (io.stdin.isTTY) return askTwice(io)
  throw new ConfigError('reading the password failed: this is no terminal, so nobody can be asked', {
    hint: 'name where it is: --password-file FILE or --password-env VARIABLE',
  })
}

async function askTwice(io: Io): Promise<Secret> {
  const unseen = new Writable({ write: (_chunk, _encoding, done) => done() })
  using terminal = createInterface({ input: io.stdin, output: unseen, terminal: true, signal: io.signal })
  const lines = terminal[Symbol.asyncIterator]()
  const ask = async (question: string): Promise<string> => {
    io.stderr.write(question)
    const line = await lines.next()
    io.stderr.write('\n')
    if (line.done) throw new ConfigError('reading the password failed: it was not typed')
    return line.value
  }
  const password = await ask('Password for the new file: ')
  if (password === '') throw new ConfigError('reading the password failed: it is empty')
  if ((await ask('The same again: ')) === password) return new Secret(password)
  throw new ConfigError('reading the password failed: the two differ')
}
