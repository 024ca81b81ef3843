/** Random choices that a printed seed repeats. */
import type { Test } from 'tap'

/** Numbers in [0, 1): mulberry32, public domain, by Tommy Ettinger. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let x = Math.imul(state ^ (state >>> 15), state | 1)
    x = (x + Math.imul(x ^ (x >>> 7), x | 61)) ^ x
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32
  }
}

/** SEED repeats a run; else a new one each time. Print it. */
export const newSeed = () => Number(process.env.SEED) || Math.floor(Math.random() * 2 ** 31)

/** The numbers of a test, whose report says the seed. */
export function seeded(t: Test): () => number {
  const seed = newSeed()
  t.comment(`SEED=${seed}`)
  return seededRandom(seed)
}

export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item)
}
