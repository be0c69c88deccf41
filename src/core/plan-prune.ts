import type { ErrorFacts } from './errors.ts'
import type { Candidates } from './prune-candidates.ts'
import type { Candidate, NodePrune, PruneItem, Staying, Weighed } from './prune.ts'

/** More at once make an order that is hard to read and long to carry out; the next run goes on. */
const mostItems = 150

/** What goes from one node: what is of no use there, that nothing else names and no live link leads to. */
export function planNodePrune(
  node: string,
  { candidates, stays, refused }: Candidates,
  weighed: Weighed,
): NodePrune {
  const { unfinished, lacking } = weighed
  const because = refused?.because ?? (lacking && `who else uses the files is not known: ${lacking}`)
  if (because !== undefined)
    return { node, items: [], stays: [], refused: { because, hints: refused?.hints ?? [] }, unfinished }
  const judged = candidates.map((candidate, index) => judge(candidate, weighed.items[index]))
  const going = judged.filter((one) => 'entries' in one)
  const later = going.slice(mostItems).map(({ label, what }): Staying => {
    return { label, what, because: `${mostItems} are enough at once`, hints: ['run it again'] }
  })
  return {
    node,
    items: going.slice(0, mostItems),
    stays: [...stays, ...judged.filter((one): one is Staying => !('entries' in one)), ...later],
    unfinished,
  }
}

export function unseenPrune(node: string, error: ErrorFacts): NodePrune {
  return { node, items: [], stays: [], unfinished: [], error }
}

function judge(candidate: Candidate, seen: Weighed['items'][number] | undefined): PruneItem | Staying {
  const { label, what, lost } = candidate
  const stay = (because: string, ...hints: string[]): Staying => ({ label, what, because, hints })
  if (!seen || !seen.entries.some(({ type }) => type !== 'folder')) return stay('it was not found again')
  if (seen.led.length > 0) return stay(`${seen.led.join(', ')} ${lead(seen.led)} to it`)
  if (seen.named.length > 0)
    return stay(`${seen.named.join(', ')} ${seen.named.length === 1 ? 'names' : 'name'} it`)
  const odd = seen.entries.find(({ type }) => type === 'other')
  if (odd) return stay(`${odd.path} is neither a file nor a link, or has a name that can't be said`)
  const notes = [
    ...(lost ? ['it is valid and certs does not have it: the backup alone will'] : []),
    ...(seen.idle.length > 0 ? [`${seen.idle.join(', ')}, which nginx does not include, names it`] : []),
  ]
  return { ...candidate, entries: seen.entries, notes }
}

function lead(places: readonly string[]): string {
  return places.length === 1 ? 'leads' : 'lead'
}
