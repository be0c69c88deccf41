import type { Drift } from './drift.ts'
import type { StrayRead } from './layout-reads.ts'
import type { Inspection, Lineage } from './node.ts'

export interface RivalInput {
  readonly node: string
  readonly lineage: Lineage
  readonly inspection: Inspection
}

/** A certbot that is at work on a node for a certificate of ours, what it will do, and how to stop it. */
export function judgeRivals(
  { node, lineage, inspection: { certbot, root } }: RivalInput,
  strays: readonly StrayRead[],
): Drift[] {
  const { certificate, renewalFile, siblings } = lineage
  const by = certbot.timer ? 'its timer' : certbot.cron ? 'cron' : undefined
  const stop = `to stop it: certs nodes adopt ${node}`
  const moves = `it issues beside certs, and moves the links in live/${certificate} to its own version`
  const own: Drift[] =
    by !== undefined && renewalFile
      ? [{ kind: 'notice', because: `certbot renews ${certificate} here too (${by}): ${moves}; ${stop}` }]
      : []
  const replaced = strays.flatMap(({ replacements }) => replacements.map(({ path }) => path))
  const others = siblings.flatMap((sibling): Drift[] => {
    const what = `live/${sibling.name} is another lineage for ${certificate}`
    if (by !== undefined && sibling.renewalFile)
      return [{ kind: 'notice', because: `${what}, and certbot renews it (${by}); ${stop}` }]
    // What is read of it is said with what comes of that.
    if (replaced.some((path) => path.startsWith(`${root}/live/${sibling.name}/`))) return []
    const repair = 'left as it is; certs audit says whether anything reads it'
    return [{ kind: 'mend', because: what, repair }]
  })
  return [...own, ...others]
}
