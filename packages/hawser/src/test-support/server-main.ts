// A mount in a process of its own. Argument: ServerStart as JSON. Prints one JSON line when it serves or has failed;
// then each line of its input is a question, answered by one line. It unmounts and exits when its input ends.
import { readdirSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { startMount } from '../mount/index.js'
import { resolveMountOptions } from '../mount/options.js'
import type { MountOptions } from '../mount/types.js'

export interface ServerStart {
  source: string
  mountpoint: string
  options: Partial<MountOptions>
}

export interface ServerState {
  nodes: number
  handles: number
  kernelPassthrough: number
  inFlight: number
  /** Of the whole process. */
  descriptors: number
  /** KiB. */
  resident: number
  /** Undefined without `watch`. */
  invalidations?: number
  operations: Record<string, number>
}

export type Question = { ask: 'state' } | { ask: 'unmount'; mode: 'clean' | 'lazy' | 'force' }

const say = (value: object) => process.stdout.write(`${JSON.stringify(value)}\n`)
const { source, mountpoint, options }: ServerStart = JSON.parse(process.argv[2])

function resident(): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1])
}

try {
  const resolved = resolveMountOptions([{ values: options, flags: [] }], process.geteuid?.() === 0)
  const running = await startMount({
    source,
    mountpoint,
    options: resolved.options,
    log: (level, message) => level !== 'debug' && console.error(`${level}: ${message}`),
  })
  const state = (): ServerState => {
    const { operations, ...counts } = running.statistics()
    return {
      ...counts,
      operations: Object.fromEntries(operations.map((one) => [one.operation, one.count])),
      descriptors: readdirSync('/proc/self/fd').length,
      resident: resident(),
    }
  }
  say({ pid: process.pid, connection: running.connection })
  for await (const line of createInterface({ input: process.stdin })) {
    const question: Question = JSON.parse(line)
    try {
      if (question.ask === 'state') say(state())
      else {
        await running.unmount(question.mode)
        say({})
      }
    } catch (error) {
      say({ error: (error as Error).message })
    }
  }
  await running.unmount('force').catch(() => {})
  process.exit()
} catch (error) {
  say({ error: (error as Error).message })
  process.exit(1)
}
