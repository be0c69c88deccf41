/** A renewal file as it was seen: what is done to it is done to these bytes alone. */
export interface RenewalFile {
  /** `media.hachyderm.io.conf`, in certbot's folder `renewal`. */
  readonly file: string
  readonly sha256: string
}

/** What renews certificates on a node by itself, as far as certbot is concerned. */
export interface Renewals {
  readonly held: readonly RenewalFile[]
  /** Set aside: `NAME.conf.off`, `NAME.conf.off.2`; certbot looks at `*.conf` only. */
  readonly shelved: readonly RenewalFile[]
  /** certbot's timers that systemd knows there. */
  readonly units: readonly { readonly unit: string; readonly on: boolean }[]
  /** Lines of cron that run certbot, as `file:line`. */
  readonly cron: readonly string[]
}

export interface RenewalStep extends RenewalFile {
  readonly kind: 'shelve' | 'unshelve'
  /** The configured certificate it is about. */
  readonly certificate?: string
  readonly because: string
}

export type AdoptionStep =
  RenewalStep | { readonly kind: 'stop' | 'start'; readonly unit: string; readonly because: string }

/** A lineage that stays with certbot, or a renewal file that stays set aside. */
export interface Unadopted {
  readonly file: string
  readonly because: string
  readonly hints: readonly string[]
}

/** What `certs nodes adopt` would do on one node. */
export interface Adoption {
  readonly node: string
  readonly root: string
  readonly steps: readonly AdoptionStep[]
  readonly left: readonly Unadopted[]
  /** Lines of cron, which a person takes out. */
  readonly cron: readonly string[]
}

/** What the node says of it afterwards. */
export interface Adopted {
  /** The step of this file or unit is done; `to` is what the file is called now. */
  readonly done: readonly { readonly what: string; readonly to: string }[]
  /** Left alone, because it was not any more as the plan saw it. */
  readonly kept: readonly string[]
}

/** The name of the lineage that a renewal file is for. */
export function lineageOf(file: string): string {
  return file.replace(/\.conf(\.off(\.\d+)?)?$/, '')
}

export function targetOf({ kind, file }: RenewalStep): string {
  return kind === 'shelve' ? `${file}.off` : `${lineageOf(file)}.conf`
}

/** A file of another name is somebody's own: no order can say it. */
export function isOrderable(file: string): boolean {
  return /^[A-Za-z0-9_*][A-Za-z0-9._*-]*$/.test(file) && !file.includes('..')
}
