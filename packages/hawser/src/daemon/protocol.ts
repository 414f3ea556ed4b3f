// The control socket: newline-delimited JSON, one reply for each request, in order.
import type { MountStatistics } from '../mount/types.js'
import type { RegistryEntry } from './registry.js'

export type UnmountMode = 'clean' | 'lazy' | 'force'

export type ControlRequest =
  | { verb: 'status' }
  | { verb: 'statistics' }
  | { verb: 'unmount'; mode: UnmountMode }

export interface ControlReplies {
  status: StatusReply
  statistics: StatisticsReply
  unmount: UnmountReply
}

export interface StatusReply extends RegistryEntry {
  /** As in UnmountReply. */
  detached: boolean
}

export interface UnmountReply {
  mountpoint: string
  /** Gone from the process's mount namespace, but alive: open files or other mount namespaces keep it. */
  detached: boolean
}

export interface StatisticsReply {
  mountpoint: string
  source: string
  since: string
  /** Seconds since the mount began, monotonic. */
  uptime: number
  engine: string
  /** Whether the kernel may serve files without counting. */
  passthrough: boolean
  boundsNanoseconds: readonly number[]
  statistics: MountStatistics
  memory: { residentBytes: number; heapBytes: number }
  cpuSeconds: number
}

export type ControlReply<T> =
  | { ok: true; result: T }
  | { ok: false; error: { code: string; message: string } }

/** A request is short; whoever sends more is cut off. */
export const REQUEST_LIMIT = 64 * 1024
