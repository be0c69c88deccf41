const segment = /^[A-Za-z0-9*_@][A-Za-z0-9*._@-]*$/

/** The key itself. One that breaks the grammar of the store contract is our bug: a TypeError. */
export function checkKey(key: string): string {
  for (const part of key.split('/')) checkName(part)
  return key
}

/** One segment of a key; certificates and locks are named by one. */
export function checkName(name: string): string {
  if (!segment.test(name) || name.includes('..')) throw new TypeError(`not a key for the state: ${name}`)
  return name
}
