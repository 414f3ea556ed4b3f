import { FuseError } from './errors.js'
import { native, type Pool } from './native.js'

// System calls that may sleep are made by threads of the addon (native/offload.c): the event loop never waits for a disk.

/** POOL: a bounded number of threads. ORDERED: one thread, in order. OWN: a thread for this call, which can be cancelled. */
export const Lane = { POOL: 0, ORDERED: 1, OWN: 2 } as const
export type Lane = (typeof Lane)[keyof typeof Lane]

/**
 * Threads of the pool at most; each is started when all others are busy. It costs about 20 KiB while it sleeps in a system call,
 * and as many calls as there are threads may wait for a source that does not answer before others have to.
 */
const POOL_THREADS = 256

interface Job {
  done: (result: number) => void
  /** Memory that the call uses: kept alive until it returns. */
  memory: unknown
}

let pool: Pool | undefined
let nextId = 1
const jobs = new Map<number, Job>()

function complete(id: number, result: number): void {
  const job = jobs.get(id) as Job
  jobs.delete(id)
  job.done(result)
}

/** Makes a system call on another thread and calls `done` with its value or negated errno. Returns the id for `cancel`. */
export function offloadTo(
  lane: Lane,
  done: (result: number) => void,
  memory: unknown,
  number: number,
  ...args: number[]
): number {
  pool ??= native.offloadStart(POOL_THREADS, complete)
  const id = nextId++
  jobs.set(id, { done, memory })
  const result = native.offload(pool, lane, id, number, ...args)
  if (result < 0) {
    jobs.delete(id)
    throw new FuseError('FUSE_DEVICE', `cannot start a thread: errno ${-result}`)
  }
  return id
}

/** Makes a system call on a pool thread. Resolves to its value or negated errno. */
export function offload(memory: unknown, number: number, ...args: number[]): Promise<number> {
  return new Promise((resolve) => offloadTo(Lane.POOL, resolve, memory, number, ...args))
}

/** As `offload`, in a thread of its own that `signal` interrupts: then the result is -EINTR. */
export function offloadInterruptibly(
  signal: AbortSignal,
  memory: unknown,
  number: number,
  ...args: number[]
): Promise<number> {
  return new Promise((resolve) => {
    let timer: NodeJS.Timeout | undefined
    const cancel = () => {
      native.offloadCancel(pool as Pool, id)
      // A signal that comes before the call has begun to sleep is lost.
      timer ??= setInterval(cancel, 10)
    }
    const id = offloadTo(
      Lane.OWN,
      (result) => {
        clearInterval(timer)
        signal.removeEventListener('abort', cancel)
        resolve(result)
      },
      memory,
      number,
      ...args,
    )
    if (signal.aborted) cancel()
    else signal.addEventListener('abort', cancel)
  })
}
