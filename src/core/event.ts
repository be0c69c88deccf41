import type { CertsError } from './errors.ts'

/**
 * What the engine says while it works; renderers and tests read it, nothing decides by it.
 * Each is emitted right after what it names has happened and, where it must last, is durable.
 */
export type Event = AccountEvent | IssuanceEvent | NodeEvent | RolloutEvent

export type AccountEvent =
  /** The key that the CA is going to be asked to take. */
  | { readonly kind: 'account-key-stored'; readonly directory: string }
  | { readonly kind: 'account-rotated'; readonly directory: string; readonly url: string }

export type IssuanceEvent =
  | { readonly kind: 'account-created'; readonly certificate: string; readonly url: string }
  | { readonly kind: 'key-stored'; readonly certificate: string }
  /** It failed, and another one is tried. */
  | {
      readonly kind: 'ca-passed-over'
      readonly certificate: string
      readonly ca: string
      readonly because: string
      readonly next: string
    }
  | {
      readonly kind: 'order-created'
      readonly certificate: string
      readonly url: string
      readonly resumed: boolean
    }
  | {
      readonly kind: 'txt-created'
      readonly certificate: string
      readonly name: string
      readonly provider: string
    }
  | {
      readonly kind: 'propagation'
      readonly certificate: string
      readonly seen: number
      readonly servers: number
    }
  | { readonly kind: 'challenge-answered'; readonly certificate: string; readonly identifier: string }
  | { readonly kind: 'finalize-sent'; readonly certificate: string }
  | {
      readonly kind: 'version-stored'
      readonly certificate: string
      readonly number: number
      readonly notAfter: string
    }
  | { readonly kind: 'txt-removed'; readonly certificate: string; readonly name: string }
  | { readonly kind: 'warning'; readonly certificate: string; readonly message: string }

export type NodeEvent =
  | { readonly kind: 'node-connecting'; readonly node: string }
  | { readonly kind: 'node-inspected'; readonly node: string }
  | { readonly kind: 'node-unreachable'; readonly node: string; readonly error: CertsError }
  | {
      readonly kind: 'node-installing'
      readonly node: string
      readonly certificate: string
      readonly number: number
    }
  /** One for each thing the node program says it has done. */
  | {
      readonly kind: 'node-step'
      readonly node: string
      readonly certificate: string
      /** That are tested and reloaded. */
      readonly services: readonly string[]
      readonly step: InstallStep
    }
  | { readonly kind: 'node-verifying'; readonly node: string; readonly certificate: string }
  | {
      readonly kind: 'node-verified'
      readonly node: string
      readonly certificate: string
      readonly number: number
    }
  | {
      readonly kind: 'node-rolled-back'
      readonly node: string
      readonly certificate: string
      readonly number: number
    }
  | {
      readonly kind: 'node-failed'
      readonly node: string
      readonly certificate: string
      readonly error: CertsError
    }

export type InstallStep = 'locked' | 'staged' | 'switched' | 'tested' | 'reloaded' | 'restored'

export type RolloutEvent =
  | {
      readonly kind: 'wave-started'
      readonly certificate: string
      readonly wave: number
      readonly waves: number
      readonly nodes: readonly string[]
      /** Of the way back. */
      readonly back: boolean
    }
  | {
      readonly kind: 'going-back'
      readonly certificate: string
      readonly because: string
      readonly nodes: readonly string[]
    }
  | {
      readonly kind: 'halted'
      readonly certificate: string
      readonly because: string
      readonly notStarted: readonly string[]
    }

export type Emit = (event: Event) => void
