export interface RolloutSettings {
  /** How many nodes go first. */
  readonly canary: number
  /** Cumulative shares of all nodes after the canary, each 0 < share ≤ 1; the last one is 1. */
  readonly waves: readonly number[]
  /** The number of failed nodes that halts. */
  readonly haltAfter: number
  /** What becomes of the nodes that were changed when a rollout fails. */
  readonly onHalt: 'stay' | 'rollback'
  /** How many nodes one run may change without a person's `--force`; undefined: any number. */
  readonly maxNodes?: number | undefined
  /** How many nodes of one wave are changed side by side. */
  readonly concurrency: number
  /** Milliseconds to wait between waves. */
  readonly settleMs: number
  /** Milliseconds after its reload within which a node must serve the new version. */
  readonly deadlineMs: number
}

/**
 * Cuts nodes, in their order, into the canary and the waves after it. A wave that would add no more nodes than
 * the canary had is taken together with the next one: it would cost time and prove nothing new.
 */
export function cutWaves(
  nodes: readonly string[],
  { canary, waves }: Pick<RolloutSettings, 'canary' | 'waves'>,
): string[][] {
  const shares = waves.map((share) => Math.ceil(share * nodes.length))
  const cut: string[][] = canary > 0 && nodes.length > 0 ? [nodes.slice(0, canary)] : []
  let start = cut.flat().length
  for (const end of [...shares, nodes.length]) {
    if (end - start <= canary && end < nodes.length) continue
    const wave = nodes.slice(start, end)
    if (wave.length > 0) cut.push(wave)
    start = Math.max(start, end)
  }
  return cut
}
