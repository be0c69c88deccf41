import { setTimeout as sleep } from 'node:timers/promises'
import PQueue from 'p-queue'
import type { Emit } from '../src/core/event.ts'
import type { NodeResult } from '../src/core/result.ts'
import type { RolloutSettings } from '../src/core/waves.ts'

export interface RolloutOrder {
  readonly certificate: string
  /** Node names: the canary, then the waves. */
  readonly waves: readonly (readonly string[])[]
  readonly settings: RolloutSettings
  /** Changes and verifies one node; never throws, and finishes what it began when `signal` aborts. */
  readonly deploy: (node: string) => Promise<NodeResult>
  readonly emit: Emit
  /** Aborted: nodes in hand are finished, no other is started. */
  readonly signal: AbortSignal
  /** This is the way back of another rollout. */
  readonly back?: boolean
}

export interface Rollout {
  /** One result for each node of the waves, in their order. */
  readonly nodes: readonly NodeResult[]
  readonly halted?: string
  /** Which nodes failed, when they were enough to halt, whether or not there was another one to start. */
  readonly failed?: string
}

/** Brings one version to the nodes wave by wave, and starts no further node once enough of them failed. */
export async function rollOut(order: RolloutOrder): Promise<Rollout> {
  const { waves, settings, signal, emit, certificate, back = false } = order
  const results = new Map<string, NodeResult>()
  let halted: string | undefined

  for (const [index, wave] of waves.entries()) {
    halted = whyHalt(results, order)
    if (!halted && index > 0 && settings.settleMs > 0) {
      await pause(settings.settleMs, signal)
      halted = whyHalt(results, order)
    }
    if (halted) break
    emit({ kind: 'wave-started', certificate, wave: index + 1, waves: waves.length, nodes: wave, back })
    await runWave(wave, order, results)
  }

  const all = waves.flat()
  const notStarted = all.filter((node) => !results.has(node))
  halted = notStarted.length > 0 ? (halted ?? whyHalt(results, order)) : undefined
  if (halted) emit({ kind: 'halted', certificate, because: halted, notStarted })
  const because = halted ?? 'it was not started'
  const nodes = all.map((node) => results.get(node) ?? { node, status: 'not-run' as const, because })
  const failed = whyFailed(results, order)
  return { nodes, ...(halted && { halted }), ...(failed && { failed }) }
}

async function runWave(
  wave: readonly string[],
  order: RolloutOrder,
  results: Map<string, NodeResult>,
): Promise<void> {
  const queue = new PQueue({ concurrency: order.settings.concurrency })
  const started = wave.map((node) =>
    queue.add(async () => {
      if (whyHalt(results, order)) return
      results.set(node, await order.deploy(node))
    }),
  )
  await Promise.all(started)
}

function whyHalt(results: ReadonlyMap<string, NodeResult>, order: RolloutOrder): string | undefined {
  return order.signal.aborted ? 'the run was interrupted' : whyFailed(results, order)
}

function whyFailed(results: ReadonlyMap<string, NodeResult>, { settings }: RolloutOrder): string | undefined {
  const failed = [...results.values()].filter(({ status }) => status === 'failed').map(({ node }) => node)
  if (failed.length < settings.haltAfter) return undefined
  return `${failed.join(', ')} failed, and haltAfter is ${settings.haltAfter}`
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined)
}
