import type { Material } from '../src/core/material.ts'
import type { Node } from '../src/core/node.ts'
import { decode, encode, newToken, type Answer } from './node/frame.ts'
import { readMaterial } from './node/material.ts'
import { readRefusal } from './node/refusal.ts'
import { serviceSettings } from './node/service-settings.ts'
import type { Shell } from './shell.ts'

export interface AuditOptions {
  readonly signal?: AbortSignal | undefined
  /** Folders to search beside certbot's root and what nginx names. */
  readonly folders: readonly string[]
  /** Seconds that the node's nginx test and the search may each take. */
  readonly limit?: number | undefined
}

/** 40 pages of 180 kB: some 4000 certificates. */
const mostPages = 40

/**
 * Looks for certificates and keys on a node, and for what nginx reads. Writes nothing there; of a key only the public
 * half is told. Throws NodeError with step `inspect`.
 */
export async function audit(shell: Shell, node: Node, options: AuditOptions): Promise<Material> {
  const pages: Answer[] = []
  let from: string | undefined = '1'
  for (let asked = 0; from !== undefined && asked < mostPages; asked++) {
    const page: Answer = await ask(shell, node, { ...options, from })
    // Something was written there meanwhile: lines may have moved from one page to the other.
    const moved = pages.length > 0 && pages[0]!.last('lines') !== page.last('lines')
    if (moved) pages.length = 0
    if (!moved || from === '1') pages.push(page)
    from = moved ? '1' : page.last('more')
  }
  const all = (name: string) => pages.flatMap((page) => page.all(name))
  const material = readMaterial(node, { all, last: (name) => all(name).at(-1) })
  return from === undefined
    ? material
    : { ...material, lacking: `it holds more than ${mostPages} answers do, or is never the same twice` }
}

async function ask(
  shell: Shell,
  node: Node,
  { signal, folders, limit = 30, from }: AuditOptions & { readonly from: string },
): Promise<Answer> {
  const token = newToken()
  const settings = {
    root: node.root,
    folder: folders,
    limit: String(limit),
    from,
    ...serviceSettings(node.services),
  }
  const said = await shell.run(encode({ verb: 'audit', settings }, token), {
    signal,
    // It speaks when it has seen everything.
    silenceMs: (limit * 2 + 30) * 1000,
  })
  const answer = decode(said, token, { node: node.name, step: 'inspect', left: 'unchanged' })
  const asked = { verb: 'audit', certificate: '', number: 0, limit, services: node.services } as const
  if (!answer.ok) throw readRefusal(node, asked, answer)
  return answer
}
