/** One character of a pattern; `set` is matched by what its characters or ranges hold. */
type Token =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'any' }
  | { readonly kind: 'one' }
  | { readonly kind: 'set'; readonly negated: boolean; readonly set: string }

/**
 * Whether a path fits a pattern of glob(7), as nginx's `include` takes it: `*`, `?` and `[…]` match no slash, and no
 * dot at the beginning of a name. Takes time in proportion to pattern times path, however they are made.
 */
export function globMatches(glob: string, path: string): boolean {
  const patterns = glob.split('/')
  const names = path.split('/')
  return (
    patterns.length === names.length && patterns.every((one, at) => nameMatches(tokensOf(one), names[at]!))
  )
}

function tokensOf(pattern: string): Token[] {
  return [...pattern.matchAll(/\\(.)|\[([!^]?)(\]?[^\]]*)\]|./gs)].map(([part, escaped, negation, set]) => {
    if (escaped !== undefined) return { kind: 'literal', text: escaped }
    if (set !== undefined) return { kind: 'set', negated: negation !== '', set }
    if (part === '*') return { kind: 'any' }
    return part === '?' ? { kind: 'one' } : { kind: 'literal', text: part }
  })
}

function nameMatches(tokens: readonly Token[], name: string): boolean {
  if (name.startsWith('.') && tokens[0]?.kind !== 'literal') return tokens.length === 0 && name === ''
  let [token, at] = [0, 0]
  // Where to go on when what follows the last `*` does not fit: one character further.
  let [star, resume] = [-1, 0]
  while (at < name.length) {
    const wanted = tokens[token]
    if (wanted?.kind === 'any') [star, resume] = [token++, at]
    else if (wanted && fits(wanted, name[at]!)) [token, at] = [token + 1, at + 1]
    else if (star >= 0) [token, at] = [star + 1, ++resume]
    else return false
  }
  return tokens.slice(token).every(({ kind }) => kind === 'any')
}

function fits(token: Exclude<Token, { kind: 'any' }>, character: string): boolean {
  if (token.kind === 'literal') return token.text === character
  return token.kind === 'one' || inSet(token.set, character) !== token.negated
}

function inSet(set: string, character: string): boolean {
  return [...set.matchAll(/(.)-(.)|./gs)].some(([one, from, to]) =>
    from === undefined || to === undefined ? one === character : from <= character && character <= to,
  )
}
