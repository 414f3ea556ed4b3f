// One mount served by this process from its start to its end.
//
// This process must never touch a path under its own mount point: the loop that would answer is the one that asks.
import { rmSync, writeFileSync } from 'node:fs'
import type { Server } from 'node:net'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { boundsNanoseconds } from '@hawser/fuse'
import { startMount } from '../mount/index.js'
import type { RunningMount } from '../mount/types.js'
import { errorMessage, Logger, redact } from '../telemetry/log.js'
import type { MetricsServer } from '../telemetry/metrics-server.js'
import { processFacts } from '../telemetry/process.js'
import { serveControl } from './control-server.js'
import type { ControlRequest, StatisticsReply, StatusReply, UnmountMode, UnmountReply } from './protocol.js'
import { newId, prepareRuntimeDirectory, Registration, type RegistryEntry } from './registry.js'
import type { ServeRequest } from './request.js'

export interface ServeHooks {
  /** Called once the mount answers; throws when whoever waited for it has gone. */
  ready(): void
  /** Without a registry, umount and status cannot find the mount: an error unless the caller can do without. */
  needsRegistry: boolean
}

const RETRY_MILLISECONDS = 250
/** How long the kernel may take to end a mount that nothing uses any more: what lives on then is used elsewhere. */
const ENDING_MILLISECONDS = 1000
/** What a signal leaves to those who use a mount that is no longer here. Containers are killed 10 s after it. */
const GRACE_MILLISECONDS = 5000

/** Mounts, serves and returns when the mount has ended; throws if it cannot be mounted. */
export async function serve(request: ServeRequest, hooks: ServeHooks): Promise<void> {
  const server = new MountServer(request, new Logger(request.log))
  try {
    await server.start(hooks)
  } catch (error) {
    await server.abandon()
    throw error
  }
  await server.end()
}

class MountServer {
  readonly #request: ServeRequest
  readonly #logger: Logger
  #mount: RunningMount | undefined
  #registration: Registration | undefined
  #entry: RegistryEntry | undefined
  #control: Server | undefined
  #metrics: MetricsServer | undefined
  readonly #unmounting = new Set<Promise<void>>()
  #cancelled = false
  /** What the last signal asked for. */
  #stopping: UnmountMode | undefined
  // Seconds. For performance.now(), Node would load a module first.
  readonly #started = process.uptime()

  constructor(request: ServeRequest, logger: Logger) {
    this.#request = request
    this.#logger = logger
  }

  async start(hooks: ServeHooks): Promise<void> {
    const { source, mountpoint, options, flags, metrics, notes, pidFile } = this.#request
    const { log } = this.#logger
    this.#handleSignals()
    for (const note of notes) log('warn', note)
    if (metrics !== undefined) {
      // Before the mount: an address that is taken must fail the start, not a running mount.
      const { serveMetrics } = await import('../telemetry/metrics-server.js')
      const { exposition } = await import('../telemetry/metrics.js')
      this.#metrics = await serveMetrics(metrics, () => exposition(this.#metricsInput()))
      log('info', `metrics on ${this.#metrics.url}`)
    }
    await this.#openRegistry(hooks.needsRegistry)
    const mount = await startMount({ source, mountpoint, options, flags, log })
    this.#mount = mount
    if (this.#cancelled) throw new Error('interrupted')
    this.#entry = {
      mountpoint: mount.mountpoint,
      source: redact(mount.source),
      pid: process.pid,
      engine: mount.engine,
      since: new Date().toISOString(),
      version: this.#request.version,
      connection: mount.connection,
      options: { ...mount.options },
      metrics: this.#metrics?.url,
      logFile: this.#request.log.file,
    }
    this.#registration?.publish(this.#entry)
    if (pidFile !== undefined) writePidFile(pidFile)
    log('info', `mounted ${source} on ${mount.mountpoint}, engine ${mount.engine}, process ${process.pid}`)
    hooks.ready()
  }

  /** Waits for the mount to end, whoever ends it. */
  async end(): Promise<void> {
    await this.#mount?.closed
    // The connection may end before the mount point is free, and before the one who asked for it has his answer.
    await Promise.allSettled(this.#unmounting)
    await setImmediate()
    this.#logger.log('info', `unmounted ${this.#mount?.mountpoint}`)
    await this.#release()
  }

  /** Leaves nothing behind after a failed start. */
  async abandon(): Promise<void> {
    const mount = this.#mount
    if (mount !== undefined) {
      await mount.unmount('lazy').catch((error) => this.#logger.error('cannot unmount', error))
      await mount.closed
    }
    await this.#release()
  }

  async #release(): Promise<void> {
    this.#metrics?.close()
    this.#control?.close()
    this.#registration?.remove()
    if (this.#request.pidFile !== undefined) rmSync(this.#request.pidFile, { force: true })
    await this.#logger.drain()
  }

  async #openRegistry(needed: boolean): Promise<void> {
    const { runtimeDirectory } = this.#request
    try {
      prepareRuntimeDirectory(runtimeDirectory, process.geteuid!())
      const registration = new Registration(runtimeDirectory, newId())
      this.#control = await serveControl(registration.socket, (request) => this.#answer(request))
      this.#registration = registration
    } catch (error) {
      const problem = `cannot be listed in ${runtimeDirectory}: ${errorMessage(error)}`
      if (needed) throw new Error(`the mount ${problem}`)
      this.#logger.log('warn', `${problem}; hawser status, stats and umount will not find this mount`)
    }
  }

  async #answer(request: ControlRequest): Promise<unknown> {
    const mount = this.#mount
    if (mount === undefined || this.#entry === undefined) throw new Error('still starting')
    if (request.verb === 'status') {
      return { ...this.#entry, detached: mount.state() === 'detached' } satisfies StatusReply
    }
    if (request.verb === 'statistics') return this.#statistics(mount)
    this.#logger.log('info', `asked to unmount, ${request.mode}`)
    await this.#unmount(mount, request.mode)
    if (mount.state() === 'mounted') {
      throw new Error(`its descriptor was given to process ${process.pid}: unmount it where it is mounted`)
    }
    return { mountpoint: mount.mountpoint, detached: mount.state() === 'detached' } satisfies UnmountReply
  }

  #unmount(mount: RunningMount, mode: UnmountMode): Promise<void> {
    const unmounting = this.#unmountNow(mount, mode).finally(() => this.#unmounting.delete(unmounting))
    this.#unmounting.add(unmounting)
    return unmounting
  }

  async #unmountNow(mount: RunningMount, mode: UnmountMode): Promise<void> {
    await mount.unmount(mode)
    if (mode !== 'clean') return
    // Other mount namespaces may have copies, and keep them for ever. Where none has, what was written goes to the source first.
    await Promise.race([mount.closed, sleep(ENDING_MILLISECONDS)])
    if (mount.state() === 'ended') await mount.closed
  }

  #statistics(mount: RunningMount): StatisticsReply {
    const { residentBytes, heapBytes, cpuSeconds } = processFacts()
    return {
      mountpoint: mount.mountpoint,
      source: redact(mount.source),
      since: this.#entry!.since,
      uptime: process.uptime() - this.#started,
      engine: mount.engine,
      passthrough: mount.options.passthrough !== 'off',
      boundsNanoseconds,
      statistics: mount.statistics(),
      memory: { residentBytes, heapBytes },
      cpuSeconds,
    }
  }

  #handleSignals(): void {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => this.#stop(signal))
    process.on('SIGHUP', () => undefined)
    // Node's own handler would open a debugger's port in this process.
    process.on('SIGUSR1', () => this.#logger.reopen())
    const fatal = (what: string) => (error: unknown) => {
      this.#logger.error(what, error)
      this.#logger.flush()
      // A dead mount fails every program that looks at it: detach it rather than leave it.
      const detached = this.#mount?.unmount('lazy').catch(() => undefined)
      const exit = () => process.exit(1)
      void Promise.resolve(detached)
        .then(() => this.#release())
        .then(exit, exit)
    }
    process.on('uncaughtException', fatal('internal error'))
    process.on('unhandledRejection', fatal('internal error (promise)'))
  }

  /** First signal: as soon as nobody uses the mount; second: detach now; third: fail the requests too. */
  #stop(signal: string): void {
    const mount = this.#mount
    const { log } = this.#logger
    if (mount === undefined) {
      // start() takes the mount back as soon as there is one; a second signal does not wait for that.
      if (this.#cancelled) void this.#release().then(() => process.exit(1))
      this.#cancelled = true
      log('info', `${signal} before the mount was ready`)
      return
    }
    if (this.#stopping === undefined) {
      log('info', `${signal}: unmounting`)
      this.#stopping = 'clean'
      void this.#unmountWhenFree(mount)
      return
    }
    this.#stopping = this.#stopping === 'clean' ? 'lazy' : 'force'
    log('warn', `${signal} again: unmounting, ${this.#stopping}`)
    if (this.#stopping === 'force') void this.#leave(mount)
    else void this.#unmount(mount, 'lazy').catch((error) => this.#logger.error('cannot unmount', error))
  }

  async #unmountWhenFree(mount: RunningMount): Promise<void> {
    const { log } = this.#logger
    for (let told = false; ; told = true) {
      const problem = await this.#unmount(mount, 'clean').then(() => undefined, errorMessage)
      if (this.#stopping !== 'clean') return
      if (problem === undefined) break
      if (!told) log('warn', `${problem}; waiting until it is free, another signal detaches it`)
      await sleep(RETRY_MILLISECONDS)
    }
    if (mount.state() === 'ended') return
    const why =
      mount.state() === 'detached' ? 'detached here, and used elsewhere' : 'for its mounter to unmount'
    const grace = `requests fail in ${GRACE_MILLISECONDS / 1000} s, or at another signal`
    log('warn', `${mount.mountpoint} is ${why}; ${grace}`)
    this.#stopping = 'lazy'
    await sleep(GRACE_MILLISECONDS)
    await this.#leave(mount)
  }

  /** Ends with requests unanswered: closing the device, as the end of the process does, fails them. */
  async #leave(mount: RunningMount): Promise<void> {
    await this.#unmount(mount, 'force').catch((error) => this.#logger.error('cannot unmount', error))
    await this.#release()
    process.exit(0)
  }

  #metricsInput() {
    const mount = this.#mount
    const none = { operations: [], inFlight: 0, nodes: 0, handles: 0, kernelPassthrough: 0, stalls: 0 }
    return {
      mountpoint: mount?.mountpoint ?? this.#request.mountpoint,
      source: redact(this.#request.source),
      engine: mount?.engine ?? 'none',
      version: this.#request.version,
      statistics: mount?.statistics() ?? none,
      boundsNanoseconds,
      passthrough: this.#request.options.passthrough !== 'off',
      startTime: performance.timeOrigin / 1000 + this.#started,
      ...processFacts(),
    }
  }
}

function writePidFile(path: string): void {
  try {
    writeFileSync(path, `${process.pid}\n`, { mode: 0o644 })
  } catch (error) {
    throw new Error(`cannot write the pid file ${path}: ${(error as NodeJS.ErrnoException).code}`)
  }
}
