/** How a scripted node answers one order. In a text, TOKEN stands for the token of the call. */
export type Act =
  | {
      readonly do: 'answer'
      readonly text: string
      readonly afterMs?: number
      readonly exitCode?: number
      /** Each character is a byte. */
      readonly bytes?: true
    }
  /** Ends the whole connection after this. */
  | { readonly do: 'die'; readonly text: string }
  /** Says this, and then nothing for ever. */
  | { readonly do: 'silent'; readonly text: string }
  /** Never stops to talk. */
  | { readonly do: 'flood' }

export interface Behaviour {
  /**
   * What stands before a login: nobody listens; it takes the connection and says nothing; it drops it at once; it
   * shows another host key than known_hosts has, or one that is not there; it lets nobody in.
   */
  readonly door?: 'closed' | 'frozen' | 'drops' | 'other-key' | 'unknown-key' | 'refuses'
  readonly inspect?: Act
  readonly install?: Act
  readonly rollback?: Act
  /** What its TLS does once a version was brought: it still shows the old one, is silent, or hangs up. */
  readonly serves?: 'old' | 'silent' | 'nothing'
}

export interface Pair {
  readonly key: string
  readonly fullchain: string
}

/** What the real program said on a node in each state, for nodes that only repeat it. */
export interface Answers {
  /** Live at the old version, the new one never seen. */
  readonly before: string
  /** Live at the new version. */
  readonly after: string
  /** Live at the old version again. */
  readonly back: string
  readonly install: string
  readonly rollback: string
}

export interface CrowdScript {
  readonly hostKey: string
  /** Of no node, and in no known_hosts. */
  readonly strangeKey: string
  readonly old: Pair
  readonly new: Pair
  readonly answers: Answers
  readonly nodes: Readonly<Record<string, Behaviour>>
}

export interface Ports {
  readonly ssh: number
  readonly tls: number
}

/** What a scripted node has seen. */
export interface Told {
  readonly logins: number
  /** The orders that came whole: `inspect`, `install`, `rollback`. */
  readonly orders: readonly string[]
  readonly live: 'old' | 'new'
  readonly serves: 'old' | 'new'
}

export type Question =
  { readonly ask: 'start'; readonly script: CrowdScript } | { readonly ask: 'tell' | 'reset' }

export type Reply =
  | { readonly reply: 'started'; readonly ports: Readonly<Record<string, Ports>> }
  | { readonly reply: 'told'; readonly nodes: Readonly<Record<string, Told>> }
  | { readonly reply: 'reset' }
