/** `domain; tag=value; tag=value`, the value of CAA records and of what is made after them. */
export interface IssueValue {
  /** Lower case; empty when nobody is named. */
  readonly domain: string
  /** Names in lower case. */
  readonly parameters: readonly (readonly [string, string])[]
}

const label = '[a-z0-9](?:[a-z0-9-]*[a-z0-9])?'
const domainName = new RegExp(`^${label}(?:\\.${label})*$`, 'i')

/** RFC 8659 section 4.2: spaces and tabs anywhere between. Undefined when it is malformed. Takes hostile text. */
export function readIssueValue(value: string): IssueValue | undefined {
  const [domain = '', ...rest] = value.split(';').map(trimBlanks)
  if (domain.length > 253 || (domain !== '' && !domainName.test(domain))) return undefined
  const given = rest.at(-1) === '' ? rest.slice(0, -1) : rest
  const parameters = given.map((part) => {
    const at = part.indexOf('=')
    return /^([a-z0-9]+(?:-+[a-z0-9]+)*)=([!-:<-~]*)$/i.exec(
      at === -1 ? '' : `${trimBlanks(part.slice(0, at))}=${trimBlanks(part.slice(at + 1))}`,
    )
  })
  if (parameters.includes(null)) return undefined
  return {
    domain: domain.toLowerCase(),
    parameters: parameters.map((found) => [found![1]!.toLowerCase(), found![2]!] as const),
  }
}

/** In linear time, unlike a regular expression for blanks at the end. */
function trimBlanks(text: string): string {
  let [from, to] = [0, text.length]
  while (from < to && isBlank(text[from])) from++
  while (to > from && isBlank(text[to - 1])) to--
  return text.slice(from, to)
}

function isBlank(character: string | undefined): boolean {
  return character === ' ' || character === '\t'
}
