/** Runs what it is given, so many at a time, in the order it came. */
export function atMost(most: number): <Result>(work: () => Promise<Result>) => Promise<Result> {
  const waiting: (() => void)[] = []
  let free = most
  return async (work) => {
    if (free > 0) free--
    else await new Promise<void>((go) => waiting.push(go))
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next) next()
      else free++
    }
  }
}

/** Nodes that are looked at side by side: delays are hidden, and a large fleet needs no more memory than this many. */
export const nodesAtOnce = 100
