/** TXT data in presentation format (RFC 1035 section 5.1): quoted strings of at most 255 bytes. */
export function quoteTxt(value: string): string {
  const strings = value.match(/.{1,255}/gs) ?? ['']
  return strings.map((each) => `"${each.replaceAll(/["\\]/g, String.raw`\$&`)}"`).join(' ')
}

/** The value of TXT data as an API gives it: quoted strings joined, or plain text as it is. */
export function unquoteTxt(text: string): string {
  const strings = /^\s*"/.test(text) ? text.match(/"(?:[^"\\]|\\.)*"/gs) : undefined
  if (!strings) return text
  return strings
    .map((each) => each.slice(1, -1).replaceAll(/\\(\d{3}|.)/gs, (_, escaped: string) => unescaped(escaped)))
    .join('')
}

function unescaped(escaped: string): string {
  return escaped.length === 3 ? String.fromCodePoint(Number(escaped)) : escaped
}

/** A name below its zone: `_acme-challenge.www`; empty for the zone's own name. */
export function relativeName({ name, zone }: { readonly name: string; readonly zone: string }): string {
  return name === zone ? '' : name.slice(0, -zone.length - 1)
}

/** The same for the path of a URL; `@` for the zone's own name. */
export function relativePath(record: { readonly name: string; readonly zone: string }): string {
  return encodeURIComponent(relativeName(record)) || '@'
}
