import type { Answers, Behaviour } from './behaviour.ts'
import { nodeFaults, type NodeFault } from './faults.ts'

export interface FaultyFleet {
  readonly names: readonly string[]
  /** Every tenth node has one, each kind in turn. */
  readonly faults: ReadonlyMap<string, NodeFault>
  readonly script: Readonly<Record<string, Behaviour>>
}

/** A fleet of which a tenth fails, each in another way, and one node in a hundred is merely slow. */
export function faultyFleet(
  answers: Answers,
  count: number,
  { long }: { readonly long: boolean },
): FaultyFleet {
  const names = Array.from({ length: count }, (_, index) => `node-${index + 1}`)
  const kinds = Object.values(nodeFaults(answers)).filter((fault) => long || !fault.long)
  const faulty = names.filter((_, index) => index % 10 === 6)
  const faults = new Map(faulty.map((name, turn) => [name, kinds[turn % kinds.length]!]))
  const slow: Behaviour = { inspect: { do: 'answer', text: answers.before, afterMs: 1_000 } }
  const behaviour = (name: string, index: number) =>
    faults.get(name)?.behaviour ?? (index % 100 === 50 ? slow : {})
  const script = Object.fromEntries(names.map((name, index) => [name, behaviour(name, index)]))
  return { names, faults, script }
}
