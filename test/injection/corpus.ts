import { hostileTexts } from '../support/hostile-texts.ts'
import { rollDice } from '../years/dice.ts'

// prettier-ignore
const pieces = [
  "'", '"', '\\', '`', '$(', '${', '$((', ')', '}', '))', ';', '&', '|', '||', '&&', '<', '>', '<<', '<<-', '<(', '>(',
  '(', '{', '[', ']', '*', '?', '~', '!', '#', '%', '=', '@', '^', ',', ':', '.', '..', '/', '//', '-', '--', '-n', '-e',
  ' ', '\t', '\n', '\r', '\r\n', '\v', '\f', '\u0000', '\u0001', '\u001b[2J', '\u007f', '\u0085', '\u00a0', '\u202e',
  '\u2028', '\ufeff', 'é', '💥', 'a', 'x1', '0', '9', 'END', 'EOF', 'end', 'main', 'token', 'verb', 'order', 'eval ',
  'exec ', 'test ', 'fi', 'done', 'esac', '$IFS', '$0', '$@', '$*', '$$', '$?', 'IFS=', 'PATH=.', 'u+x', '.conf', '.pem',
]

/**
 * So many different texts that a shell could take for more than a text, the same for the same seed: known ones first,
 * then known ones put together with pieces of a shell's grammar. Where one is run, it makes the file `canary`.
 */
export function hostileCorpus(
  count: number,
  { seed, canary }: { readonly seed: number; readonly canary: string },
) {
  const dice = rollDice(seed)
  const known = hostileTexts(canary)
  const texts = new Set(known.slice(0, count))
  while (texts.size < count) {
    const some = (most: number) =>
      Array.from({ length: Math.floor(dice.share() * (most + 1)) }, () => dice.pick(pieces)).join('')
    texts.add(`${some(4)}${dice.share() < 0.8 ? dice.pick(known).slice(0, 200) : ''}${some(4)}`)
  }
  return [...texts]
}
