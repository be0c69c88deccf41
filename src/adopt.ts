import { adopt, lookAtRenewals } from '../deploy/adopt.ts'
import { weigh } from '../deploy/prune.ts'
import { audit as auditNode } from '../deploy/audit.ts'
import type { App } from './app.ts'
import type { Adopted, Adoption, AdoptionStep, Renewals } from './core/adoption.ts'
import { isOrderable, lineageOf } from './core/adoption.ts'
import { viewNode } from './core/audit-view.ts'
import type { Leaf } from './core/certificate.ts'
import { StateError } from './core/errors.ts'
import type { Node } from './core/node.ts'
import { planAdoption, planGivingBack } from './core/plan-adoption.ts'
import { recordAll } from './record.ts'
import { recallStored } from './stored.ts'

export interface AdoptionWish {
  /** As it is logged in to for this. */
  readonly node: Node
  /** Back to certbot. */
  readonly undo: boolean
  readonly keepTimer: boolean
}

/** Looks at the node and says what would be done. Changes nothing. Throws NodeError, StateError. */
export async function prepareAdoption(app: App, { node, undo, keepTimer }: AdoptionWish): Promise<Adoption> {
  const { io, settings } = app
  const shell = await app.fleet.shell(node)
  const renewals = await lookAtRenewals(shell, node, { signal: io.signal })
  if (undo) return planGivingBack({ node: node.name, root: node.root }, renewals)
  const certificates = Object.values(settings.certificates)
  const material = await auditNode(shell, node, { folders: [], signal: io.signal })
  const view = viewNode(material, certificates)
  return planAdoption({
    view,
    renewals,
    certificates,
    stored: await leavesStored(app),
    named: await whoNames(app, node, renewals),
    now: io.now(),
    keepTimer,
  })
}

/** Of lineages that are called otherwise than a certificate of ours: a rollout does not change what reads those. */
async function whoNames(
  { fleet, settings, io }: App,
  node: Node,
  { held }: Renewals,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const names = held.flatMap(({ file }) => (isOrderable(file) ? lineageOf(file) : []))
  const others = names.filter((name) => !settings.certificates[name])
  if (others.length === 0) return new Map()
  const asked = { kind: 'orphan', label: '', what: '', because: '', lost: false } as const
  const candidates = others.map((name) => ({ ...asked, target: { is: 'lineage', name, links: [] } as const }))
  const { items, lacking } = await weigh(await fleet.shell(node), node, { candidates, signal: io.signal })
  const unknown = lacking === undefined ? [] : ['a configuration that the search did not come to']
  return new Map(others.map((name, index) => [name, [...items[index]!.named, ...unknown]]))
}

async function leavesStored(app: App): Promise<ReadonlyMap<string, readonly Leaf[]>> {
  const certificates = Object.values(app.settings.certificates)
  const recall = await recallStored(app, { certificates, history: true })
  const entries = await Promise.all(
    certificates.map(async (certificate) => {
      const { versions, fault } = await recall(certificate)
      if (fault) throw new StateError(fault.message, { hint: fault.hints })
      return [certificate.name, versions.map(({ leaf }) => leaf)] as const
    }),
  )
  return new Map(entries)
}

/** Does what was planned, each step between its two lines in the journal. Throws NodeError. */
export async function carryOut(app: App, node: Node, { steps }: Adoption): Promise<Adopted> {
  const lines = steps.map((step) => ({
    node: node.name,
    action: actions[step.kind],
    because: step.because,
    ...('file' in step ? { certificate: step.certificate ?? lineageOf(step.file) } : {}),
    facts: { what: nameOf(step) },
  }))
  return recordAll(app, lines, async () => {
    const result = await adopt(await app.fleet.shell(node), node, { steps, signal: app.io.signal })
    const to = (step: AdoptionStep) => result.done.find(({ what }) => what === nameOf(step))?.to
    const ends = steps.map((step) => {
      const name = to(step)
      return name === undefined ? 'it had changed meanwhile, and was left alone' : { facts: { to: name } }
    })
    return { done: result, ends }
  })
}

const actions = {
  shelve: 'renewal-off',
  unshelve: 'renewal-on',
  stop: 'timer-off',
  start: 'timer-on',
} as const

function nameOf(step: AdoptionStep): string {
  return 'unit' in step ? step.unit : step.file
}
