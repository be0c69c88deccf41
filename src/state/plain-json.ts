import { Secret } from '../core/secret.ts'

/** JSON text of plain data. A Secret in it would be kept as `[secret]` and be lost: a TypeError. */
export function plainJson(value: unknown, indent = 0): string {
  const text = JSON.stringify(value, refuseSecret, indent) as string | undefined
  if (text === undefined) throw new TypeError('only plain data can be stored')
  return text
}

function refuseSecret(this: Record<string, unknown>, name: string, value: unknown): unknown {
  // `value` is what toJSON made of it; the object as it was is in the holder.
  const original = this[name]
  if (original instanceof Secret) throw new TypeError(`a secret can't be stored unrevealed: ${name}`)
  return value
}
