/** Numbers that look random and are the same for the same seed (mulberry32). */
export interface Dice {
  /** From 0 up to, not including, 1. */
  share(): number
  pick<T>(choices: readonly T[]): T
  shuffle<T>(all: readonly T[]): T[]
}

export function rollDice(seed: number): Dice {
  let state = seed >>> 0
  const share = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    share,
    pick<T>(choices: readonly T[]): T {
      const choice = choices[Math.floor(share() * choices.length)]
      if (choice === undefined) throw new Error('nothing to pick from')
      return choice
    },
    shuffle: (all) =>
      all
        .map((one) => ({ one, place: share() }))
        .toSorted((a, b) => a.place - b.place)
        .map(({ one }) => one),
  }
}
