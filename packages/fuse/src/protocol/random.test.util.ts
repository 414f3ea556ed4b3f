/** A seeded source of numbers, so that a failure can be repeated. */
export interface Random {
  /** An integer from 0 to limit - 1. */
  below(limit: number): number
  pick<T>(from: readonly T[]): T
}

/** mulberry32 */
export function random(seed: number): Random {
  let state = seed | 0
  const below = (limit: number) => {
    state = (state + 0x6d2b79f5) | 0
    let z = Math.imul(state ^ (state >>> 15), 1 | state)
    z = (z + Math.imul(z ^ (z >>> 7), 61 | z)) ^ z
    return Math.floor((((z ^ (z >>> 14)) >>> 0) / 4294967296) * limit)
  }
  return { below, pick: (from) => from[below(from.length)] }
}
