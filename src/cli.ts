#!/usr/bin/env node
import { homedir } from 'node:os'
import { parseArgs } from 'node:util'
import type { Command, Invocation } from './commands/command.ts'
import { commonOptions, exitCode } from './commands/command.ts'
import { help } from './commands/help.ts'
import { version } from './commands/version.ts'
import { ConfigError, LockedError } from './core/errors.ts'
import { nearest } from './core/nearest.ts'
import type { Io } from './io.ts'

const commands: Readonly<Record<string, () => Promise<{ readonly command: Command }>>> = {
  plan: () => import('./commands/plan.ts'),
  apply: () => import('./commands/apply.ts'),
  rollout: () => import('./commands/rollout.ts'),
  rollback: () => import('./commands/rollback.ts'),
  renew: () => import('./commands/renew.ts'),
  status: () => import('./commands/status.ts'),
  verify: () => import('./commands/verify.ts'),
  history: () => import('./commands/history.ts'),
  check: () => import('./commands/check.ts'),
  audit: () => import('./commands/audit.ts'),
  prune: () => import('./commands/prune.ts'),
  replace: () => import('./commands/replace.ts'),
  revoke: () => import('./commands/revoke.ts'),
  export: () => import('./commands/export.ts'),
  'account create': () => import('./commands/account-create.ts'),
  'account rotate': () => import('./commands/account-rotate.ts'),
  'state seal': () => import('./commands/state-seal.ts'),
  'state unseal': () => import('./commands/state-unseal.ts'),
  'nodes trust': () => import('./commands/nodes-trust.ts'),
  'nodes setup': () => import('./commands/nodes-setup.ts'),
  'nodes adopt': () => import('./commands/nodes-adopt.ts'),
  providers: () => import('./commands/providers.ts'),
  init: () => import('./commands/init.ts'),
  completion: () => import('./commands/completion.ts'),
}

/** A terminal tells the whole group of processes, and npm tells its child once more. */
const sameKeystrokeMs = 1_000

const signals = { SIGINT: 130, SIGTERM: 143 } as const

async function main(argv: readonly string[]): Promise<number> {
  const [interruption, urgency] = [new AbortController(), new AbortController()]
  let interruptedBy: keyof typeof signals | undefined
  let since = 0
  const interrupt = (signal: keyof typeof signals): void => {
    if (!interruptedBy) {
      interruptedBy = signal
      since = performance.now()
      interruption.abort()
      process.stderr.write(`certs: ${signal}: finishing what is in hand, starting nothing new\n`)
    } else if (performance.now() - since > sameKeystrokeMs && !urgency.signal.aborted) {
      urgency.abort()
      process.stderr.write(`certs: ${signal} again: not waiting for nodes in hand, which end by themselves\n`)
    }
  }
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt)

  const io: Io = {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    cwd: process.cwd(),
    home: homedir(),
    uid: process.getuid?.() ?? 0,
    now: () => new Date(),
    random: (bytes) => Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString('hex'),
    signal: interruption.signal,
    urgent: urgency.signal,
    commandLine: ['certs', ...argv].join(' '),
  }
  try {
    const code = await dispatch(argv, io)
    return interruptedBy ? signals[interruptedBy] : code
  } catch (error) {
    const { renderError } = await import('./core/render-error.ts')
    process.stderr.write(renderError(error))
    return interruptedBy ? signals[interruptedBy] : codeOf(error)
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
  }
}

async function dispatch(argv: readonly string[], io: Io): Promise<number> {
  const [verb = '--help', second] = argv
  if (verb === '--version' || verb === '-V') return say(io, `certs ${version}\n`)
  if (verb === '--help' || verb === '-h' || verb === 'help') return say(io, help)

  const name = commands[`${verb} ${second}`] ? `${verb} ${second}` : verb
  const load = commands[name]
  if (!load) throw unknownCommand(argv)
  const { command } = await load()
  const rest = argv.slice(name.split(' ').length)
  if (rest.includes('--help') || rest.includes('-h')) return say(io, command.help)
  return command.run(parse(name, command, rest), io)
}

function say(io: Io, text: string): number {
  io.stdout.write(text)
  return exitCode.done
}

function unknownCommand(argv: readonly string[]): ConfigError {
  const [verb, second] = argv
  const names = Object.keys(commands)
  const ofVerb = names.filter((name) => name.startsWith(`${verb} `))
  const typed = ofVerb.length > 0 && second ? `${verb} ${second}` : verb!
  const close = nearest(typed, names) ?? ofVerb[0]
  return new ConfigError(`unknown command "${typed}"`, {
    hint: close ? `did you mean "certs ${close}"?` : 'certs --help lists the commands',
  })
}

function parse(name: string, command: Command, args: readonly string[]): Invocation {
  const options = { ...commonOptions, ...command.options }
  const { values, positionals } = parseStrictly(name, args, options)
  const most = command.operands.some((operand) => operand.endsWith('…')) ? Infinity : command.operands.length
  const least = command.operands.filter((operand) => !/^\[|…\]?$/.test(operand)).length
  if (positionals.length < least) throw misuse(name, `${command.operands[positionals.length]} is missing`)
  if (positionals.length > most) throw misuse(name, `"${positionals[most]}" is one argument too many`)
  return {
    operands: positionals,
    flag: (option) => values[option] === true,
    value: (option) => values[option] as string | undefined,
    values: (option) => values[option] as string[] | undefined,
  }
}

function parseStrictly(name: string, args: readonly string[], options: Command['options']) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true })
  } catch (error) {
    const { message, code } = error as Error & { code?: string }
    const typed = /'(-[^' ]*)/.exec(message)?.[1] ?? ''
    if (code !== 'ERR_PARSE_ARGS_UNKNOWN_OPTION') throw misuse(name, message.split('. ')[0]!.toLowerCase())
    const close = nearest(typed.replace(/^-+/, ''), Object.keys(options))
    throw misuse(name, `unknown option "${typed}"${close ? `, did you mean "--${close}"?` : ''}`)
  }
}

function misuse(name: string, what: string): ConfigError {
  return new ConfigError(`certs ${name}: ${what}`, { hint: `certs ${name} --help` })
}

function codeOf(error: unknown): number {
  if (error instanceof LockedError) return exitCode.locked
  if (error instanceof ConfigError) return exitCode.usage
  return exitCode.failed
}

process.exitCode = await main(process.argv.slice(2))
