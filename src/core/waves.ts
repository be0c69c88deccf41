export interface RolloutSettings {
  /** How many nodes go first. */
  readonly canary: number
  /** Cumulative shares of all nodes after the canary, each 0 < share ≤ 1; the last one is 1. */
  readonly waves: readonly number[]
  /** The number of failed nodes that halts. */
  readonly haltAfter: number
  /** How many nodes of one wave are changed side by side. */
  readonly concurrency: number
  /** Milliseconds to wait between waves. */
  readonly settleMs: number
  /** Milliseconds after its reload within which a node must serve the new version. */
  readonly deadlineMs: number
}

/** Cuts nodes, in their order, into the canary and the waves after it; empty waves are left out. */
export function cutWaves(
  nodes: readonly string[],
  settings: Pick<RolloutSettings, 'canary' | 'waves'>,
): string[][] {
  const shares = settings.waves.map((share) => Math.ceil(share * nodes.length))
  const ends = [settings.canary, ...shares, nodes.length]
  const waves: string[][] = []
  let start = 0
  for (const end of ends) {
    const wave = nodes.slice(start, Math.max(start, end))
    if (wave.length > 0) waves.push(wave)
    start += wave.length
  }
  return waves
}
