import { type Address, native } from '../native.js'
import { opcodeNames } from '../protocol/index.js'

// As native/device.c lays them out.
const OPERATIONS = 64
const BUCKETS = 24
const ROW = 4 + BUCKETS
const FIRST_BUCKET = 10

/** What was counted for one operation since the mount began. */
export interface OperationStatistics {
  /** Lower-case name: 'lookup', 'read'. */
  operation: string
  count: number
  errors: number
  /** Sum of the times from reading a request to writing its reply. */
  nanoseconds: number
  /** Payload of READ and WRITE. */
  bytes: number
  /** Requests whose latency was at most `boundsNanoseconds[i]` and above the bound before; the last has no upper bound. */
  histogram: number[]
}

/** Upper bounds of the histogram's buckets: 1 µs, 2 µs, … 4.3 s, 8.6 s. */
export const boundsNanoseconds: readonly number[] = Array.from(
  { length: BUCKETS },
  (_, bucket) => 2 ** (bucket + FIRST_BUCKET),
)

/** Counters that the addon keeps for one session. */
export class Statistics {
  readonly #rows = new Float64Array(OPERATIONS * ROW)
  readonly address: Address = native.address(new Uint8Array(this.#rows.buffer))

  /** The -errno of the last reply that the kernel refused, once; 0: none. */
  takeWriteFailure(): number {
    const failure = this.#rows[0]
    if (failure !== 0) this.#rows[0] = 0
    return failure
  }

  /** The operations that were seen. */
  snapshot(): OperationStatistics[] {
    const result: OperationStatistics[] = []
    for (let opcode = 1; opcode < OPERATIONS; opcode++) {
      const row = this.#rows.subarray(opcode * ROW, (opcode + 1) * ROW)
      if (row[0] === 0) continue
      result.push({
        operation: (opcodeNames[opcode] ?? `opcode_${opcode}`).toLowerCase(),
        count: row[0],
        errors: row[1],
        nanoseconds: row[2],
        bytes: row[3],
        histogram: Array.from(row.subarray(4)),
      })
    }
    return result
  }
}
