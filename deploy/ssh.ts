import type { Duplex } from 'node:stream'
import type { Node } from '../src/core/node.ts'
import { isRemote } from '../src/core/node.ts'
import type { Connect, RunOptions, Said, Shell } from './shell.ts'
import { causeOf } from '../src/core/cause.ts'
import { hostName } from './known-hosts.ts'
import { openLocal } from './local.ts'
import { type Hop, hopError, hopsTo } from './ssh/hop.ts'
import { type Login, login, type LoginOptions, type Timeouts } from './ssh/login.ts'
import { forward, hintOfForward } from './ssh/reach.ts'
import { type Session, startSession } from './ssh/session.ts'

export interface SshOptions {
  /** SSH_AUTH_SOCK: where the agent listens, for nodes whose identity is `agent`. */
  readonly agentSocket?: string | undefined
  readonly timeouts?: Partial<Timeouts & { readonly silence: number }> | undefined
  readonly random?: (() => number) | undefined
}

/** Milliseconds. A frozen node is noticed after four keepalives, or by its silence. */
const defaults = { connect: 10_000, login: 15_000, keepalive: 3_000, silence: 15_000 }

/**
 * Shells over SSH: one login for each hop, each with its own host key, and then one channel at a time; on this
 * machine none of it. ssh2 itself is only loaded by the first connection.
 */
export function createConnect(options: SshOptions = {}): Connect {
  const timeouts = { ...defaults, ...options.timeouts }
  return async (node, signal) => {
    if (!isRemote(node)) return openLocal(node, timeouts)
    let first: Session | undefined
    const onSigned = (entering: Login) => {
      if (entering.hop.jump === undefined)
        first = startSession(entering, { sudo: node.sudo, prefix: '', openMs: timeouts.silence })
    }
    const logins = await loginsTo(hopsTo(node), { ...loginOptions(options, signal), onSigned })
    return shellOver(node, { logins, first, timeouts })
  }
}

export function loginOptions(
  { agentSocket, timeouts, random = Math.random }: SshOptions,
  signal: AbortSignal,
): LoginOptions {
  return { agentSocket, timeouts: { ...defaults, ...timeouts }, random, signal }
}

/** One login after the other, each through the one before. */
export async function loginsTo(hops: readonly Hop[], options: LoginOptions): Promise<readonly Login[]> {
  const logins: Login[] = []
  try {
    for (const hop of hops) logins.push(await login(hop, logins.at(-1), options))
    return logins
  } catch (error) {
    closeAll(logins)
    throw error
  }
}

interface ShellParts {
  readonly logins: readonly Login[]
  /** A session without a prefix, opened together with the login. */
  readonly first: Session | undefined
  readonly timeouts: typeof defaults
}

function shellOver(node: Node, { logins, first, timeouts }: ShellParts): Shell {
  const last = logins.at(-1)!
  const start = (prefix: string) => startSession(last, { sudo: node.sudo, prefix, openMs: timeouts.silence })
  const ahead = new Set(first === undefined ? [] : [first])

  /** The session made ahead that has most of this input already. */
  async function take(input: string): Promise<Session | undefined> {
    const fits = [...ahead].filter(({ prefix }) => input.startsWith(prefix))
    for (const session of fits.toSorted((a, b) => b.prefix.length - a.prefix.length)) {
      // Out of the set first: nobody else may take it meanwhile.
      if (ahead.delete(session) && (await session.usable())) return session
    }
    return undefined
  }

  return {
    node: node.name,

    async run(input: string, options: RunOptions = {}): Promise<Said> {
      const session = (await take(input)) ?? start('')
      const rest = input.slice(session.prefix.length)
      return session.finish(rest, { ...options, silenceMs: options.silenceMs ?? timeouts.silence })
    },

    prepare(prefix: string): void {
      ahead.add(start(prefix))
    },

    async forward(address: string, port: number): Promise<Duplex> {
      try {
        return await forward(last, { address, port, timeoutMs: timeouts.connect })
      } catch (cause) {
        throw hopError(last.hop, 'connect', {
          message: `connect from there to ${hostName({ address, port })} failed: ${causeOf(cause)}`,
          hint: hintOfForward(cause),
          cause,
        })
      }
    },

    async [Symbol.asyncDispose](): Promise<void> {
      for (const session of ahead) session.close()
      closeAll(logins)
    },
  }
}

/** The last hop first, while those before it still carry its goodbye. */
export function closeAll(logins: readonly Login[]): void {
  for (const one of logins.toReversed()) one.close()
}
