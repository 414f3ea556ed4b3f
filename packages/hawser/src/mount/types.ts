import type { DeviceState, OperationStatistics } from '@hawser/fuse'
import type { KernelFlag } from './option-table.js'

export type CachePolicy = 'never' | 'auto' | 'always'

/** Options of a mount after parsing and checking; every one has a default in options.ts. */
export interface MountOptions {
  cache: CachePolicy
  ro: boolean
  allowOther: boolean
  allowRoot: boolean
  defaultPermissions: boolean
  /** Show every file as this user's or group's; undefined: as it is. */
  uid?: number
  gid?: number
  /** Permission bits taken away from every file. */
  umask?: number
  fsname?: string
  subtype: string
  /** Bytes; undefined: the kernel's own limit. */
  maxRead?: number
  /** Reads and writes of regular files by the kernel itself, where privileged. */
  passthrough: 'auto' | 'off'
  /** Forward fcntl(2) and flock(2) locks to the source instead of keeping them in this kernel. */
  locks: 'local' | 'source'
  /** Show file systems mounted inside the source. */
  submounts: boolean
  /** Changes that others make beneath the mount are seen at once. */
  watch: boolean
  engine: 'auto' | 'classic'
  xattr: boolean
  acl: boolean
}

export type Log = (level: 'error' | 'warn' | 'info' | 'debug', message: string) => void

export interface MountRequest {
  /** As given: `/path`, `dir:/path`. */
  source: string
  /** A directory, or /dev/fd/N. */
  mountpoint: string
  options: MountOptions
  /** Flags of the mount beside its options, as mount(8) names them. */
  flags?: readonly KernelFlag[]
  log: Log
}

export interface MountStatistics {
  operations: OperationStatistics[]
  /** Requests that are being worked on. */
  inFlight: number
  /** Live nodes: what the kernel still refers to. */
  nodes: number
  /** Open files and directories; of them, files whose reads and writes the kernel serves itself and which are not counted here. */
  handles: number
  kernelPassthrough: number
  /** Requests that the limits made wait. */
  stalls: number
  /** What the kernel was told of changes beneath the mount; undefined: they are not watched. */
  invalidations?: number
}

export interface RunningMount {
  readonly source: string
  /** Absolute path, or /dev/fd/N. */
  readonly mountpoint: string
  readonly engine: 'classic' | 'io_uring'
  /** Of sysfs's fuse/connections; undefined where it cannot be told. */
  readonly connection: number | undefined
  readonly options: MountOptions
  statistics(): MountStatistics
  /** Whether it is still mounted here, and whether it lives; a descriptor that was given is mounted until it ends. */
  state(): DeviceState
  /** clean: fails with EBUSY while in use; lazy: detaches at once, ends with the last user; force: aborts requests too. */
  unmount(mode: 'clean' | 'lazy' | 'force'): Promise<void>
  /** Settles when the mount has ended, for whatever reason, and everything is released. */
  readonly closed: Promise<void>
}
