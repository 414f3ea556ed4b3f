/** Many processes at once, doing mixed work in trees of their own and in one they share; what must hold is verified. */
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import type { StressReport } from './stress/files.js'
import { WatchedChild } from './watched-child.js'

export interface StressOptions {
  directory: string
  /** 8 unless told. */
  processes?: number
  /** Of each process; 1000 unless told. */
  operations?: number
  seed?: number
  /** Seconds before the target is taken to hang; 900 unless told. */
  timeout?: number
}

export interface StressResult {
  /** How often each system call, or group of them, was made. */
  counts: Record<string, number>
  /** Empty when all invariants hold. */
  problems: string[]
}

const script = fileURLToPath(new URL('./stress-worker.js', import.meta.url))

export async function runStress(options: StressOptions): Promise<StressResult> {
  const { processes = 8, operations = 1000, seed = 1, timeout = 900 } = options
  const children = Array.from({ length: processes + 1 }, () => new WatchedChild(script))
  const [overseer, ...workers] = children
  try {
    const name = `stress-${randomBytes(4).toString('hex')}`
    const directory = (await overseer.ask({ prepare: options.directory, name }, 120)) as string
    const reports = (await Promise.all(
      workers.map((worker, index) => worker.ask({ work: { directory, index, operations, seed } }, timeout)),
    )) as StressReport[]
    const counts: Record<string, number> = {}
    for (const report of reports) {
      for (const [name, count] of Object.entries(report.counts)) counts[name] = (counts[name] ?? 0) + count
    }
    const found = (await overseer.ask({ verify: directory, reports }, timeout)) as string[]
    return { counts, problems: [...reports.flatMap((report) => report.problems), ...found] }
  } finally {
    await Promise.all(children.map((child) => child.kill()))
  }
}
