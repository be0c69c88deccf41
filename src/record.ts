import type { App } from './app.ts'
import { CertsError, NodeError } from './core/errors.ts'
import type { NodePlan } from './core/plan.ts'

interface StepRecord {
  readonly step: NodePlan
  readonly certificate: string
  readonly to: number | undefined
}

/** Runs one change of a node between its two lines in the journal: the intent, durable before the act, and how it ended. */
export async function recordStep<Done extends { from: number | undefined; to: number }>(
  { store, run, io }: App,
  { step, certificate, to }: StepRecord,
  act: () => Promise<Done>,
): Promise<Done> {
  const line = { run, certificate, node: step.node, action: step.action, because: step.because }
  const at = () => io.now().toISOString()
  await store.append({ ...line, at: at(), phase: 'intent', facts: numbers(step.from, to) })
  try {
    const done = await act()
    await store.append({ ...line, at: at(), phase: 'done', facts: numbers(done.from ?? step.from, done.to) })
    return done
  } catch (error) {
    const left = error instanceof NodeError ? { left: error.left } : {}
    const said = error instanceof CertsError ? error.message : 'a fault of certs itself'
    const facts = { ...numbers(step.from, to), ...left, error: said }
    await store.append({ ...line, at: at(), phase: 'failed', facts })
    throw error
  }
}

function numbers(from: number | undefined, to: number | undefined): Record<string, number> {
  return { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) }
}
