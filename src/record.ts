import type { App } from './app.ts'
import { CertsError, NodeError } from './core/errors.ts'
import type { Issuing, NodePlan } from './core/plan.ts'
import type { Entry } from './state/store.ts'

interface StepRecord {
  readonly step: NodePlan
  readonly certificate: string
  readonly to: number | undefined
}

/** Runs one change of a node between its two lines in the journal. */
export function recordStep<Done extends { from: number | undefined; to: number }>(
  app: App,
  { step, certificate, to }: StepRecord,
  act: () => Promise<Done>,
): Promise<Done> {
  const line = { certificate, node: step.node, action: step.action, because: step.because }
  const before = mended(step)
  const facts = { ...numbers(step.from, to), ...before }
  return record(app, { ...line, facts }, async () => {
    const done = await act()
    return { done, facts: { ...numbers(done.from ?? step.from, done.to), ...before } }
  })
}

/** Runs one issuance between its two lines in the journal; its parts have lines of their own. */
export function recordIssuance<Done extends { readonly number: number }>(
  app: App,
  issuance: Pick<Issuing, 'number' | 'because' | 'ca'> & { readonly certificate: string },
  act: () => Promise<Done>,
): Promise<Done> {
  const { certificate, number, because, ca } = issuance
  const facts = { to: number, ca: ca.name }
  return record(app, { certificate, action: 'issue', because, facts }, async () => {
    const done = await act()
    return { done, facts: { ...facts, to: done.number } }
  })
}

/** The intent is durable before the act; how it ended follows, and a failure is passed on. */
export async function record<Done>(
  { store, run, io }: App,
  line: Omit<Entry, 'at' | 'run' | 'phase'>,
  act: () => Promise<{ done: Done; facts: Entry['facts'] }>,
): Promise<Done> {
  const append = (phase: Entry['phase'], facts: Entry['facts']) =>
    store.append({ ...line, at: io.now().toISOString(), run, phase, facts })

  await append('intent', line.facts)
  try {
    const { done, facts } = await act()
    await append('done', facts)
    return done
  } catch (error) {
    const left = error instanceof NodeError ? { left: error.left } : {}
    const said = error instanceof CertsError ? error.message : 'a fault of certs itself'
    await append('failed', { ...line.facts, ...left, error: said })
    throw error
  }
}

/** How things lay before, so that what was mended by the way can be found again. */
function mended({ drift }: NodePlan): Record<string, string> {
  const found = drift.flatMap((one) => (one.kind === 'mend' ? one.because : []))
  return found.length === 0 ? {} : { mended: found.join('; ') }
}

function numbers(from: number | undefined, to: number | undefined): Record<string, number> {
  return { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) }
}
