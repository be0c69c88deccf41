import type { Certificate } from './certificate.ts'
import { ConfigError } from './errors.ts'
import { nearest } from './nearest.ts'

/** The certificates named, or all. Throws ConfigError for a name that is not configured. */
export function selectCertificates(
  certificates: Readonly<Record<string, Certificate>>,
  names: readonly string[],
): Certificate[] {
  if (names.length === 0) return Object.values(certificates)
  return [...new Set(names)].map(
    (name) => certificates[name] ?? unknown('certificate', name, Object.keys(certificates)),
  )
}

/** Checks node names typed by a person against those that a certificate is for. */
export function selectNodes(
  certificates: readonly Certificate[],
  names: readonly string[] | undefined,
): readonly string[] | undefined {
  const known = [...new Set(certificates.flatMap(({ nodes }) => nodes))]
  return names?.map((name) => (known.includes(name) ? name : unknown('node', name, known)))
}

/** The nodes named, or all. Throws ConfigError for a name that is not configured. */
export function selectNodesOf<Node>(
  nodes: Readonly<Record<string, Node>>,
  names: readonly string[] | undefined,
): Node[] {
  if (!names) return Object.values(nodes)
  return [...new Set(names)].map((name) => nodes[name] ?? unknown('node', name, Object.keys(nodes)))
}

/** Throws ConfigError for a name that is not configured. */
export function selectNode<Node>(nodes: Readonly<Record<string, Node>>, name: string): Node {
  return nodes[name] ?? unknown('node', name, Object.keys(nodes))
}

function unknown(what: string, name: string, known: readonly string[]): never {
  const close = nearest(name, known)
  throw new ConfigError(`no ${what} "${name}" is configured here`, {
    hint: close ? `did you mean "${close}"?` : `known are ${known.join(', ') || 'none'}`,
  })
}
