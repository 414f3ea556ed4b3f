/** Random sequences of operations on a directory and on a plain one: every answer must be the same. */
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import type { Difference, Fault } from './model/checker.js'
import type { Omission } from './model/generator.js'
import type { Operation } from './model/operations.js'
import { WatchedChild } from './watched-child.js'

export type { Difference, Fault } from './model/checker.js'
export type { Omission } from './model/generator.js'
export type { Operation } from './model/operations.js'

export interface ModelCheckOptions {
  /** The target: a mount point of another process, or any directory. */
  directory: string
  /** A plain directory on the filesystem beneath the target. */
  reference: string
  /** Of the first sequence; each following one has the next number. */
  seed?: number
  /** Operations in a sequence; 200 unless told. */
  steps?: number
  /** 20 unless told. */
  sequences?: number
  /** Runs this sequence alone. */
  replay?: Operation[]
  /** What the target is known not to have: sequences are made without. */
  without?: Omission[]
  fault?: Fault
  onSequence?: (seed: number) => void
}

export interface ModelCheckResult {
  sequences: number
  operations: number
  failure?: {
    /** Undefined for a replay. */
    seed?: number
    difference: Difference
    /** The shortest sequence found that still differs; JSON for `replay`. */
    minimal: Operation[]
    /** How many operations it took before it was shrunk. */
    originalLength: number
  }
}

const script = fileURLToPath(new URL('./model-checker-worker.js', import.meta.url))

/** Throws when the target hangs; a difference is a result. */
export async function runModelChecker(options: ModelCheckOptions): Promise<ModelCheckResult> {
  const { directory, reference, fault, seed = 1, steps = 200, sequences = 20 } = options
  const child = new WatchedChild(script)
  const result: ModelCheckResult = { sequences: 0, operations: 0 }
  try {
    await child.ask(
      { start: { directory, reference, fault, base: `model-${randomBytes(4).toString('hex')}` } },
      120,
    )
    if (options.replay) {
      const difference = (await child.ask({ replay: options.replay }, 300)) as Difference | undefined
      result.sequences = 1
      result.operations = options.replay.length
      if (difference) result.failure = await shrunk(child, options.replay)
    } else {
      for (let index = 0; index < sequences && !result.failure; index++) {
        options.onSequence?.(seed + index)
        const request = { random: { seed: seed + index, steps, without: options.without } }
        const run = (await child.ask(request, 240 + steps)) as {
          operations: Operation[]
          difference?: Difference
        }
        result.sequences++
        result.operations += run.operations.length
        if (run.difference)
          result.failure = { seed: seed + index, ...(await shrunk(child, run.operations, run.difference)) }
      }
    }
    await child.ask({ finish: true }, 240)
    return result
  } finally {
    await child.kill()
  }
}

async function shrunk(child: WatchedChild, operations: Operation[], difference?: Difference) {
  try {
    const minimal = (await child.ask({ shrink: operations }, 600)) as {
      operations: Operation[]
      difference: Difference
    }
    return { difference: minimal.difference, minimal: minimal.operations, originalLength: operations.length }
  } catch (error) {
    // A difference that depends on timing does not always come again: what was seen is still told.
    if (!difference || !(error instanceof Error) || !error.message.includes('run again')) throw error
    return { difference, minimal: operations, originalLength: operations.length }
  }
}
