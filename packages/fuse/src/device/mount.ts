import { FuseError } from '../errors.js'
import { native, sys } from '../native.js'
import { adoptDescriptor, connectionOfDescriptor } from './descriptors.js'
import { mountByFusermount } from './fusermount.js'
import { closeOffLoop, type Identity, identify, locate, sameMount, statFromServer } from './identity.js'
import { attachDetached, createDetached, mountDirectly } from './kernel-mount.js'
import { type DeviceOptions, type MountSettings, resolveOptions } from './mount-options.js'
import { connectionOf, type MountEntry, readMounts } from './mountinfo.js'
import { mountTarget } from './mountpoint.js'
import { recoverDeadMount } from './probe.js'
import { maySysAdmin } from './system.js'
import { abortQuietly, type UnmountMode, unmountPath } from './unmount.js'

/**
 * mounted: in this mount namespace, or by whoever gave the descriptor. detached: no longer here, but alive for those who have
 * it open, or have it in another mount namespace. ended: the connection is no more.
 */
export type DeviceState = 'mounted' | 'detached' | 'ended'

/** A /dev/fuse descriptor that serves one mount. INIT waits to be read from it. */
export interface Device {
  /** O_NONBLOCK and O_CLOEXEC. */
  readonly fd: number
  /** Absolute, without symbolic links; '/dev/fd/N' for a descriptor that was given. */
  readonly mountpoint: string
  readonly how: 'fsopen' | 'mount' | 'fusermount3' | 'descriptor'
  /**
   * To be called when INIT has been answered and requests are served. A detached mount (fsopen) is attached to the mount point
   * once its root answers; the others are there already. The waiting is done off the event loop.
   * @throws FuseError FUSE_MOUNT where the root does not answer as it should, FUSE_MOUNTPOINT
   */
  attach(): Promise<void>
  /** The connection's number, its directory in fusectl. For descriptors that were given, newer kernels only. */
  connection(): number | undefined
  /** What has become of the mount. Asks no file system, so it cannot wait for one. */
  state(): DeviceState
  /**
   * Unmounts what this device mounted, wherever its parents have moved since; nothing where someone else did so before. A
   * descriptor that was given is not ours to unmount. Keep serving until it resolves.
   * @throws FuseError FUSE_UNMOUNT
   */
  unmount(mode: UnmountMode): Promise<void>
  /** Closes the descriptor, and a mount that was never attached. Callers of a mount that remains get ENOTCONN. */
  close(): void
}

/**
 * Opens /dev/fuse and mounts: with CAP_SYS_ADMIN by fsopen(2), else mount(2); without, by fusermount3. Dead FUSE mounts that lie on the
 * mount point are unmounted first. Nothing waits for the server that is to come; whoever gets the device must read INIT
 * before anything touches the mount.
 * @throws FuseError FUSE_DEVICE, FUSE_MOUNT, FUSE_MOUNTPOINT or FUSE_OPTION, each with one line that says why
 */
export async function openDevice(options: DeviceOptions): Promise<Device> {
  const given = /^\/dev\/fd\/(\d{1,9})$/.exec(options.mountpoint)
  if (given) {
    const fd = Number(given[1])
    await adoptDescriptor(fd)
    return new MountedDevice(fd, options.mountpoint, 'descriptor', connectionOfDescriptor(fd))
  }
  const settings = resolveOptions(options)
  if (options.mountpoint === '' || options.mountpoint.includes('\0')) {
    throw new FuseError('FUSE_MOUNTPOINT', 'the mount point must be a path')
  }
  await recoverDeadMount(options.mountpoint)
  const path = await mountTarget(options.mountpoint, settings.rootType)
  const ways = options.how
    ? [options.how]
    : maySysAdmin()
      ? (['fsopen', 'mount'] as const)
      : (['fusermount3'] as const)
  for (const how of ways) {
    const device = await mountBy(how, path, settings)
    if (device) return device
  }
  throw new FuseError('FUSE_MOUNT', `cannot mount on ${path}: ${options.how} is not available here`)
}

async function mountBy(
  how: 'fsopen' | 'mount' | 'fusermount3',
  path: string,
  settings: MountSettings,
): Promise<Device | undefined> {
  if (how === 'fsopen') {
    const detached = createDetached(settings)
    if (!detached) return undefined
    const identity = await identify(detached.mountFd)
    const device = new MountedDevice(detached.fd, path, how, connectionOf(identity), identity)
    device.holdDetached(detached.mountFd, settings.rootType)
    return device
  }
  const fd = await (how === 'mount' ? mountDirectly(path, settings) : mountByFusermount(path, settings))
  try {
    const { identity } = await locate(path)
    return new MountedDevice(fd, path, how, connectionOf(identity), identity)
  } catch (cause) {
    native.syscall(sys.close, fd)
    await unmountPath(path, 'lazy').catch(() => undefined)
    throw new FuseError('FUSE_MOUNT', `lost the mount on ${path}: ${(cause as Error).message}`, { cause })
  }
}

/** What poll(2) says of a device whose connection has ended (fuse_dev_poll). */
const POLLERR = 8

class MountedDevice implements Device {
  readonly fd: number
  readonly mountpoint: string
  readonly how: Device['how']
  readonly #connection: number | undefined
  readonly #identity: Identity | undefined
  #detached: { fd: number; rootType: number } | undefined
  #attaching: Promise<void> | undefined
  #unmounting: Promise<void> = Promise.resolve()
  #mounted: boolean
  #open = true

  constructor(fd: number, mountpoint: string, how: Device['how'], connection?: number, identity?: Identity) {
    this.fd = fd
    this.mountpoint = mountpoint
    this.how = how
    this.#connection = connection
    this.#identity = identity
    this.#mounted = identity !== undefined
  }

  holdDetached(fd: number, rootType: number): void {
    this.#detached = { fd, rootType }
  }

  connection(): number | undefined {
    return this.#connection
  }

  state(): DeviceState {
    if (!this.#connected()) return 'ended'
    if (this.#identity === undefined) return 'mounted'
    return this.#mounted && this.#entry() !== undefined ? 'mounted' : 'detached'
  }

  attach(): Promise<void> {
    this.#attaching ??= this.#attach()
    return this.#attaching
  }

  async #attach(): Promise<void> {
    if (this.how !== 'fsopen') return
    const detached = this.#detached
    if (!detached) throw new FuseError('FUSE_CLOSED', `the mount for ${this.mountpoint} has been given up`)
    this.#detached = undefined
    let attached = false
    try {
      await this.#selfTest(detached)
      await attachDetached(detached.fd, this.mountpoint)
      attached = true
      // Closed meanwhile: nobody is left to serve it.
      if (!this.#open) await unmountPath(this.mountpoint, 'lazy')
    } finally {
      // As long as it is open the mount is busy; if it is attached nowhere, closing it ends the connection.
      this.#mounted = attached
      await closeOffLoop(detached.fd)
    }
  }

  async #selfTest({ fd, rootType }: { fd: number; rootType: number }): Promise<void> {
    let type: number
    try {
      type = await statFromServer(fd)
    } catch (cause) {
      const why = (cause as Error).message
      const message = `the file system does not answer for its root: ${why}; ${this.mountpoint} is left as it was`
      throw new FuseError('FUSE_MOUNT', message, { cause })
    }
    if (type !== rootType) {
      throw new FuseError('FUSE_MOUNT', `the file system's root is not of the type that was mounted`)
    }
  }

  unmount(mode: UnmountMode): Promise<void> {
    if (mode === 'force' && this.#mounted && this.#connected()) abortQuietly(this.#connection)
    // One at a time: a later call sees what the earlier one did. Its failure is its own caller's.
    const run = this.#unmounting.then(() => this.#unmount(mode))
    this.#unmounting = run.catch(() => undefined)
    return run
  }

  /** Whether the connection lives: once it has ended, the kernel may give its number to another mount. */
  #connected(): boolean {
    if (!this.#open) return false
    const poll = new Int32Array([this.fd, 0])
    const now = new BigInt64Array(2)
    const address = native.address(new Uint8Array(poll.buffer))
    native.syscall(sys.ppoll, address, 1, native.address(new Uint8Array(now.buffer)), 0, 0)
    return ((poll[1] >> 16) & POLLERR) === 0
  }

  async #unmount(mode: UnmountMode): Promise<void> {
    await this.#attaching?.catch(() => undefined)
    if (!this.#mounted) return
    const detached = this.#detached
    if (detached) {
      this.#detached = undefined
      await closeOffLoop(detached.fd)
    } else {
      const path = await this.#currentPath()
      if (path !== undefined) await unmountPath(path, mode)
    }
    this.#mounted = false
  }

  /** This mount in the mount table; ids are used again. */
  #entry(): MountEntry | undefined {
    const { mountId, major, minor } = this.#identity as Identity
    return readMounts().find((row) => row.id === mountId && row.major === major && row.minor === minor)
  }

  /** Where this mount is now; undefined where it is no longer mounted. */
  async #currentPath(): Promise<string | undefined> {
    const identity = this.#identity as Identity
    const entry = this.#entry()
    if (!entry) return undefined
    const top = await locate(entry.mountPoint).catch((cause) => {
      const message = `cannot reach ${entry.mountPoint}: ${cause.message}`
      throw new FuseError('FUSE_UNMOUNT', message, { cause })
    })
    if (sameMount(top.identity, identity)) return entry.mountPoint
    // The numbers were used again for another mount, or one lies over ours: that one is not to be touched.
    if (top.identity.mountId === identity.mountId) return undefined
    throw new FuseError('FUSE_UNMOUNT', `another file system is mounted over ${entry.mountPoint}`)
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    const detached = this.#detached
    if (detached) {
      this.#detached = undefined
      this.#mounted = false
      void closeOffLoop(detached.fd)
    }
    native.syscall(sys.close, this.fd)
  }
}
