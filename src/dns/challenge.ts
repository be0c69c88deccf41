/**
 * Where the CA looks for an identifier's TXT record (RFC 8555 section 8.4). A wildcard is proved under the name
 * without its `*.`, so `example.com` and `*.example.com` share one name and need two values beside each other.
 */
export function challengeName(identifier: string): string {
  return `_acme-challenge.${baseName(identifier)}`
}

/** The identifier without `*.`. */
export function baseName(identifier: string): string {
  return identifier.replace(/^\*\./, '')
}

/** `b.c` of `a.b.c`. */
export function parentOf(name: string): string {
  return name.slice(name.indexOf('.') + 1)
}

/** The record as a person writes it into a zone file or a web form. */
export function showTxt(name: string, value: string): string {
  return `${name}. 60 IN TXT "${value}"`
}

/** `a.b.c` → `a.b.c`, `b.c`, `c`. */
export function suffixes(name: string): string[] {
  const labels = name.split('.')
  return labels.map((_, index) => labels.slice(index).join('.'))
}
