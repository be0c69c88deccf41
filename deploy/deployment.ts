import type { LayoutAdoption } from '../src/core/layout-adoption.ts'
import type { Certificate, Leaf, Version } from '../src/core/certificate.ts'
import type { Node } from '../src/core/node.ts'
import type { VersionFacts } from '../src/core/version.ts'

/** One version that is to come to one node. */
export interface Deployment {
  readonly node: Node
  readonly certificate: Certificate
  readonly version: Version
  readonly facts: VersionFacts
  /** The files are right already; its services are to read them anew. */
  readonly reloadOnly: boolean
  /** What is done to the node's layout before. */
  readonly adoption?: LayoutAdoption | undefined
  /** The version that live pointed to before. */
  readonly from: number | undefined
  /** The leaves that the node served before. */
  readonly servedBefore: readonly Leaf[]
  /** Milliseconds until what is wanted must be served. */
  readonly deadlineMs: number
  readonly now: Date
}
