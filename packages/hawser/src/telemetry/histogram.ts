/**
 * The latency below which a share of the requests stayed, in nanoseconds, interpolated within its bucket;
 * undefined without requests. The last bucket has no upper bound: its lower one is answered.
 */
export function quantile(
  histogram: readonly number[],
  bounds: readonly number[],
  share: number,
): number | undefined {
  const total = histogram.reduce((sum, count) => sum + count, 0)
  if (total === 0) return undefined
  const rank = share * total
  let below = 0
  for (let bucket = 0; bucket < histogram.length; bucket++) {
    const count = histogram[bucket]
    if (count > 0 && below + count >= rank) {
      const lower = bucket === 0 ? 0 : bounds[bucket - 1]
      if (bucket === histogram.length - 1) return lower
      return lower + (bounds[bucket] - lower) * ((rank - below) / count)
    }
    below += count
  }
  return bounds[bounds.length - 2]
}
