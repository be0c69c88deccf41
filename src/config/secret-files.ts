/** Makes the paths of `{ file }` references absolute, wherever they stand. */
export function resolveSecretFiles(value: unknown, resolvePath: (given: string) => string): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const entries = Object.entries(value)
  if (entries.length === 1 && entries[0]![0] === 'file') return { file: resolvePath(String(entries[0]![1])) }
  return Object.fromEntries(entries.map(([key, inner]) => [key, resolveSecretFiles(inner, resolvePath)]))
}
