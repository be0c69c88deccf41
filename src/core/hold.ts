/** A person rolled a version back: no run that nobody watches brings it to these nodes again. */
export interface Hold {
  /** Versions up to this number are held back; a newer one goes out as always. */
  readonly version: number
  readonly nodes: readonly string[]
  /** ISO 8601. */
  readonly since: string
}

/** The hold that keeps back this version, or undefined when it may go out. */
export function holdOn(hold: Hold | undefined, version: number): Hold | undefined {
  return hold && version <= hold.version ? hold : undefined
}

/** One hold out of the one that stands and a new one. */
export function mergeHolds(before: Hold | undefined, next: Hold): Hold {
  if (!before) return next
  return {
    version: Math.max(before.version, next.version),
    nodes: [...new Set([...before.nodes, ...next.nodes])],
    since: next.since,
  }
}

/** What is left of a hold when it is lifted from these nodes (undefined: all). */
export function liftHold(hold: Hold, nodes: readonly string[] | undefined): Hold | undefined {
  const left = nodes === undefined ? [] : hold.nodes.filter((node) => !nodes.includes(node))
  return left.length === 0 ? undefined : { ...hold, nodes: left }
}

/** The way out of a hold, for a person. */
export function sayHold(certificate: string, { version }: Hold): string {
  return `version ${version} or older is not brought back by itself; to do so: certs rollout ${certificate}`
}
