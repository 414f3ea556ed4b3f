export function median(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** One measured run of one operation on one server. Latencies are in nanoseconds. */
export interface Sample {
  ops: number
  bytes: number
  milliseconds: number
  opsPerSecond: number
  bytesPerSecond: number
  p50: number
  p99: number
  max: number
}

export interface Summary {
  runs: number
  /** Operations or bytes a second, as the row counts. */
  medianRate: number
  bestRate: number
  worstRate: number
  p50: number
  p99: number
  max: number
  milliseconds: number
}

export function summarize(samples: readonly Sample[], rateOf: (sample: Sample) => number): Summary {
  const rates = samples.map(rateOf)
  return {
    runs: samples.length,
    medianRate: median(rates),
    bestRate: Math.max(...rates),
    worstRate: Math.min(...rates),
    p50: median(samples.map((sample) => sample.p50)),
    p99: median(samples.map((sample) => sample.p99)),
    max: Math.max(...samples.map((sample) => sample.max)),
    milliseconds: median(samples.map((sample) => sample.milliseconds)),
  }
}

export type Yardstick = Pick<Summary, 'medianRate' | 'bestRate' | 'p50'>

/** The yardstick of a row: for each figure, the better of the modes that libfuse has. */
export function better(summaries: readonly Summary[]): Yardstick | undefined {
  if (summaries.length === 0) return undefined
  return {
    medianRate: Math.max(...summaries.map((summary) => summary.medianRate)),
    bestRate: Math.max(...summaries.map((summary) => summary.bestRate)),
    p50: Math.min(...summaries.map((summary) => summary.p50)),
  }
}

/** Median over the rounds of what each round's two runs, moments apart, make of each other. */
export function pairedRatio(rates: readonly number[], yardstick: readonly number[]): number {
  return median(rates.slice(0, yardstick.length).map((rate, round) => rate / yardstick[round]))
}
