import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { instanceName, removeDeadInstances } from './leftovers.js'

/** How many requests a mount's kernel side sent to its server while something ran. */
export interface RequestCount {
  requests: number
  /** By operation, most frequent first, from the newest events in the kernel's buffer; empty if the kernel cannot say. */
  operations: [name: string, share: number][]
  method: 'trace' | 'proc'
}

/**
 * Counts requests, to prove that an operation reached the server, or did not.
 *
 * As root the kernel's own trace events are counted, for any server alike; they are off while something is measured.
 * Elsewhere the server's reads, writes and sleeps are counted, which is a lower bound: a server may answer several
 * requests before it sleeps, and splice is not counted as reading.
 */
export class RequestCounter {
  readonly #instance: string | undefined
  readonly #ownMount: string | undefined

  constructor(workDirectory: string) {
    let root = ['/sys/kernel/tracing', '/sys/kernel/debug/tracing'].find((path) =>
      existsSync(join(path, 'instances')),
    )
    if (!root && process.getuid?.() === 0) {
      const mountPoint = join(workDirectory, 'tracing')
      mkdirSync(mountPoint, { recursive: true })
      if (spawnSync('mount', ['-t', 'tracefs', 'tracefs', mountPoint]).status === 0) {
        this.#ownMount = mountPoint
        root = mountPoint
      }
    }
    if (!root || !existsSync(join(root, 'events/fuse/fuse_request_send'))) return
    const instance = join(root, 'instances', instanceName())
    try {
      // An instance of its own: other users of tracing are not disturbed.
      removeDeadInstances(join(root, 'instances'))
      mkdirSync(instance)
      this.#instance = instance
    } catch {}
  }

  get exact(): boolean {
    return this.#instance !== undefined
  }

  async during<T>(
    server: { device: number; pid: number },
    action: () => Promise<T>,
  ): Promise<[T, RequestCount]> {
    if (!this.#instance) {
      const before = activity(server.pid)
      const result = await action()
      return [result, { requests: activity(server.pid) - before, operations: [], method: 'proc' }]
    }
    const event = join(this.#instance, 'events/fuse/fuse_request_send')
    writeFileSync(join(event, 'filter'), `connection == ${server.device}`)
    writeFileSync(join(this.#instance, 'trace'), '')
    writeFileSync(join(event, 'enable'), '1')
    try {
      const result = await action()
      writeFileSync(join(event, 'enable'), '0')
      return [result, { requests: this.#total(), operations: this.#operations(), method: 'trace' }]
    } finally {
      writeFileSync(join(event, 'enable'), '0')
    }
  }

  /** What is in the buffers and what they could not keep. */
  #total(): number {
    let total = 0
    const folder = join(this.#instance!, 'per_cpu')
    for (const cpu of readdirSync(folder)) {
      const text = readFileSync(join(folder, cpu, 'stats'), 'utf8')
      for (const name of ['entries', 'overrun'])
        total += Number(text.match(new RegExp(`^${name}: (\\d+)`, 'm'))?.[1] ?? 0)
    }
    return total
  }

  #operations(): [string, number][] {
    const counts = new Map<string, number>()
    let total = 0
    for (const [, name] of readFileSync(join(this.#instance!, 'trace'), 'utf8').matchAll(
      / opcode \d+ \(FUSE_(\w+)\)/g,
    )) {
      counts.set(name, (counts.get(name) ?? 0) + 1)
      total++
    }
    return [...counts]
      .map(([name, count]): [string, number] => [name, count / total])
      .sort((a, b) => b[1] - a[1])
  }

  close(): void {
    try {
      if (this.#instance) rmdirSync(this.#instance)
    } catch {}
    if (this.#ownMount) spawnSync('umount', [this.#ownMount])
  }
}

/** The larger of a process's writes and its sleeps: each answered request is at least one or the other. */
function activity(pid: number): number {
  try {
    const io = readFileSync(`/proc/${pid}/io`, 'utf8')
    let sleeps = 0
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const status = readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8')
      sleeps += Number(status.match(/^voluntary_ctxt_switches:\s+(\d+)/m)?.[1] ?? 0)
    }
    return Math.max(Number(io.match(/^syscw: (\d+)/m)?.[1] ?? 0), sleeps)
  } catch {
    return Number.NaN
  }
}
