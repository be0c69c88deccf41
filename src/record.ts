import type { App } from './app.ts'
import { CertsError, NodeError } from './core/errors.ts'
import type { Placed } from './core/layout-adoption.ts'
import type { Issuing, NodePlan } from './core/plan.ts'
import { sayServices } from './core/serving.ts'
import type { Entry } from './state/store.ts'

interface StepRecord {
  readonly step: NodePlan
  readonly certificate: string
  readonly to: number | undefined
  /** That read the certificate there. */
  readonly services: readonly string[]
}

/** Runs one change of a node between its two lines in the journal. */
export function recordStep<Done extends { from: number | undefined; to: number; placed?: readonly Placed[] }>(
  app: App,
  { step, certificate, to, services }: StepRecord,
  act: () => Promise<Done>,
): Promise<Done> {
  const line = { certificate, node: step.node, action: step.action, because: step.because }
  const reloaded = step.action === 'reload' ? { services: sayServices(services) } : {}
  const facts = { ...numbers(step.from, to), ...reloaded, ...mended(step) }
  return record(app, { ...line, facts }, async () => {
    const done = await act()
    const beside = done.placed?.map(({ path, suffix }) => path + suffix)
    const kept = beside ? { kept: beside.join(', ') } : {}
    return { done, facts: { ...facts, ...numbers(done.from ?? step.from, done.to), ...kept } }
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
    await append('failed', { ...line.facts, ...factsOf(error) })
    throw error
  }
}

type Line = Omit<Entry, 'at' | 'run' | 'phase'>

/**
 * Several changes that a node makes in one go, each between lines of its own. `ends` says of each line in turn what more
 * is known of it now, or why it was not done.
 */
export async function recordAll<Done>(
  { store, run, io }: App,
  lines: readonly Line[],
  act: () => Promise<{ done: Done; ends: readonly (string | { readonly facts: Entry['facts'] })[] }>,
): Promise<Done> {
  const append = (line: Line, phase: Entry['phase'], more: Entry['facts'] = {}) =>
    store.append({ ...line, at: io.now().toISOString(), run, phase, facts: { ...line.facts, ...more } })

  for (const line of lines) await append(line, 'intent')
  try {
    const { done, ends } = await act()
    for (const [index, line] of lines.entries()) {
      const end = ends[index] ?? 'it is not known to be done'
      await (typeof end === 'string'
        ? append(line, 'failed', { error: end })
        : append(line, 'done', end.facts))
    }
    return done
  } catch (error) {
    const facts = factsOf(error)
    for (const line of lines) await append(line, 'failed', facts)
    throw error
  }
}

function factsOf(error: unknown): Record<string, string> {
  const left = error instanceof NodeError ? { left: error.left } : {}
  return { ...left, error: error instanceof CertsError ? error.message : 'a fault of certs itself' }
}

/** How things lay before, so that what was mended by the way can be found again. */
function mended({ drift }: NodePlan): Record<string, string> {
  const found = drift.flatMap((one) => (one.kind === 'mend' || one.kind === 'adopt' ? one.because : []))
  return found.length === 0 ? {} : { mended: found.join('; ') }
}

function numbers(from: number | undefined, to: number | undefined): Record<string, number> {
  return { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) }
}
