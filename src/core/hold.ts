/** A person rolled a certificate back: no run that nobody watches brings the version to these nodes again. */
export interface Hold {
  /** By node, the highest version that is held back from it; a newer one goes out as always. */
  readonly nodes: Readonly<Record<string, number>>
  /** ISO 8601. */
  readonly since: string
}

export interface Held {
  readonly version: number
  readonly since: string
}

/** Whether a version is held back from a node. */
export function heldBack(hold: Hold | undefined, node: string, version: number): Held | undefined {
  const highest = hold?.nodes[node]
  return hold && highest !== undefined && version <= highest
    ? { version: highest, since: hold.since }
    : undefined
}

export function mergeHolds(before: Hold | undefined, next: Hold): Hold {
  const nodes = Object.entries(next.nodes).map(([node, version]) => {
    return [node, Math.max(version, before?.nodes[node] ?? 0)] as const
  })
  return { nodes: { ...before?.nodes, ...Object.fromEntries(nodes) }, since: next.since }
}

/** What is left of a hold when it is lifted from these nodes (undefined: all). */
export function liftHold({ nodes, since }: Hold, lifted: readonly string[] | undefined): Hold | undefined {
  const left = Object.entries(nodes).filter(([node]) => lifted && !lifted.includes(node))
  return left.length === 0 ? undefined : { nodes: Object.fromEntries(left), since }
}

/** The way out of a hold, for a person. */
export function sayHold(certificate: string, { version }: Held): string {
  return `version ${version} does not come back by itself; to bring it: certs rollout ${certificate}`
}
