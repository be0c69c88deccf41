import type { Node } from '../src/core/node.ts'
import type { Open } from './secure-stream.ts'
import type { Connect, Shell } from './shell.ts'

/** The logins of one run: one for each node, made when first needed and kept until the run ends. */
export interface Fleet extends AsyncDisposable {
  shell(node: Node): Promise<Shell>
  /** Logs in anew after a connection died, also when the run was told to end: for the node in hand. */
  reconnect(node: Node): Promise<Shell>
  /** Opens streams from the node itself, for endpoints that only it reaches; logs in when first asked. */
  opener(node: Node): Open
}

export interface FleetSignals {
  /** Aborted: no login is begun, and those under way are given up. */
  readonly signal: AbortSignal
  /** The same for the node in hand. */
  readonly urgent: AbortSignal
}

export function createFleet(connect: Connect, { signal, urgent }: FleetSignals): Fleet {
  const shells = new Map<string, Promise<Shell>>()

  const open = (node: Node, until: AbortSignal): Promise<Shell> => {
    const shell = connect(node, until)
    shells.set(node.name, shell)
    // A login that failed is tried again when it is asked for again.
    shell.catch(() => {
      if (shells.get(node.name) === shell) shells.delete(node.name)
    })
    return shell
  }
  const close = async (shell: Promise<Shell> | undefined): Promise<void> => {
    const opened = await shell?.catch(() => undefined)
    await opened?.[Symbol.asyncDispose]()
  }

  const shell = (node: Node): Promise<Shell> => shells.get(node.name) ?? open(node, signal)

  return {
    shell,
    opener: (node) => async (address, port) => (await shell(node)).forward(address, port),
    async reconnect(node) {
      await close(shells.get(node.name))
      return open(node, urgent)
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...shells.values()].map(close))
      shells.clear()
    },
  }
}
