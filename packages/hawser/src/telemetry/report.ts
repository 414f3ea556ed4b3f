// What happened between two samples of a mount's counters.
import type { MountStatistics } from '../mount/types.js'
import { quantile } from './histogram.js'
import { isTransfer } from './metrics.js'

type Operation = MountStatistics['operations'][number]

export interface OperationReport {
  operation: string
  count: number
  perSecond: number
  errors: number
  /** Undefined without requests. */
  averageNanoseconds?: number
  p50Nanoseconds?: number
  p99Nanoseconds?: number
  /** Read or written through the server; null: not measured; undefined: the operation carries no contents. */
  bytes?: number | null
  bytesPerSecond?: number | null
  /** The kernel may have moved more without telling. */
  bytesIncomplete?: boolean
}

export interface IntervalReport {
  seconds: number
  operations: OperationReport[]
  total: OperationReport
}

export interface IntervalInput {
  now: MountStatistics
  /** Undefined: since the mount began. */
  before?: MountStatistics
  seconds: number
  bounds: readonly number[]
  /** Whether the kernel may read and write files by itself, uncounted. */
  passthrough: boolean
}

/** Busiest first; operations that did not happen are left out, except reads and writes that cannot be counted. */
export function reportInterval(input: IntervalInput): IntervalReport {
  const earlier = new Map(input.before?.operations.map((row) => [row.operation, row]))
  const rows = input.now.operations.map((row) => subtract(row, earlier.get(row.operation)))
  const operations = rows
    .filter((row) => row.count > 0)
    .map((row) => describe(row, input))
    .sort((a, b) => b.count - a.count)
  const sum = rows.reduce<Operation>((sum, row) => add(sum, row), {
    operation: 'total',
    count: 0,
    errors: 0,
    nanoseconds: 0,
    bytes: 0,
    histogram: [],
  })
  return { seconds: input.seconds, operations, total: describe(sum, input) }
}

function describe(row: Operation, { seconds, bounds, passthrough, now }: IntervalInput): OperationReport {
  const report: OperationReport = {
    operation: row.operation,
    count: row.count,
    perSecond: seconds > 0 ? row.count / seconds : 0,
    errors: row.errors,
  }
  if (row.count > 0) {
    report.averageNanoseconds = row.nanoseconds / row.count
    report.p50Nanoseconds = quantile(row.histogram, bounds, 0.5)
    report.p99Nanoseconds = quantile(row.histogram, bounds, 0.99)
  }
  if (!isTransfer(row.operation) && row.operation !== 'total') return report
  // Where the kernel serves files itself, no byte counted does not mean that none was moved.
  const unmeasured = row.bytes === 0 && passthrough
  report.bytes = unmeasured ? null : row.bytes
  report.bytesPerSecond = unmeasured ? null : seconds > 0 ? row.bytes / seconds : 0
  if (now.kernelPassthrough > 0) report.bytesIncomplete = true
  return report
}

function subtract(row: Operation, before: Operation | undefined): Operation {
  if (before === undefined) return row
  return {
    operation: row.operation,
    count: row.count - before.count,
    errors: row.errors - before.errors,
    nanoseconds: row.nanoseconds - before.nanoseconds,
    bytes: row.bytes - before.bytes,
    histogram: row.histogram.map((count, bucket) => count - before.histogram[bucket]),
  }
}

function add(a: Operation, b: Operation): Operation {
  return {
    operation: a.operation,
    count: a.count + b.count,
    errors: a.errors + b.errors,
    nanoseconds: a.nanoseconds + b.nanoseconds,
    bytes: a.bytes + b.bytes,
    histogram: b.histogram.map((count, bucket) => count + (a.histogram[bucket] ?? 0)),
  }
}
