import type { KernelFlag } from '../mount/options.js'
import type { MountOptions } from '../mount/types.js'
import type { LogOptions } from '../telemetry/log.js'
import type { MetricsAddress } from '../telemetry/metrics-address.js'

/** All that a process needs to serve a mount: checked, with absolute paths. */
export interface ServeRequest {
  source: string
  /** A directory, or /dev/fd/N. */
  mountpoint: string
  options: MountOptions
  flags: KernelFlag[]
  /** What the parsing of options wants logged. */
  notes: string[]
  log: LogOptions
  metrics?: MetricsAddress
  pidFile?: string
  runtimeDirectory: string
  version: string
}

/** What the background process tells its parent, as one line of JSON. */
export type StartReport =
  | { ok: true; pid: number }
  | { ok: false; message: string; code?: string; stack?: string }

/** What the parent sends, as one line of JSON. */
export interface StartCall {
  request: ServeRequest
  /** Keep the parent's stderr; otherwise nothing that is the parent's stays open. */
  keepOutput: boolean
}
