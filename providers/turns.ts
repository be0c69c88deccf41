export type InTurn = <T>(key: string, work: () => Promise<T>) => Promise<T>

/** Work of one key runs one after the other, work of different keys side by side. */
export function createTurns(): InTurn {
  const last = new Map<string, Promise<undefined>>()
  return (key, work) => {
    const turn = (last.get(key) ?? Promise.resolve()).then(work)
    const over = turn
      .catch(() => undefined)
      .then(() => {
        if (last.get(key) === over) last.delete(key)
        return undefined
      })
    last.set(key, over)
    return turn
  }
}
