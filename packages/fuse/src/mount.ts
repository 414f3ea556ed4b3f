import { checkSessionOptions } from './check-options.js'
import { type Device, type DeviceOptions, openDevice, type UnmountMode } from './device/index.js'
import { FuseError } from './errors.js'
import type { Filesystem } from './filesystem.js'
import { Session, type SessionOptions } from './session/index.js'

export interface FuseMountOptions extends Omit<DeviceOptions, 'mountpoint'>, SessionOptions {
  /** Let root use the mount beside its owner, and nobody else; enforced here, since the kernel has no such option. */
  allowRoot?: boolean
}

/** A file system that is mounted and served by this process. */
export interface FuseMount {
  readonly mountpoint: string
  readonly session: Session
  readonly device: Device
  /**
   * 'clean' fails with FUSE_UNMOUNT while files are open; 'lazy' detaches at once and ends with the last user; 'force'
   * aborts what waits, and ends a mount that was detached before. Default 'clean'. Resolves when the name is free; `closed`
   * tells when everything has ended, which may be much later: another mount namespace can hold a copy of the mount.
   */
  unmount(mode?: UnmountMode): Promise<void>
  /** Settles when the connection has ended, for whatever reason, and everything is released. */
  readonly closed: Promise<void>
}

/**
 * Mounts a file system and serves it on this thread. Resolves when the mount answers.
 * @param mountpoint a directory, or '/dev/fd/N' for a /dev/fuse descriptor that someone has mounted already
 * @throws FuseError, with one line that says what failed and why
 */
export async function mount(
  filesystem: Filesystem,
  mountpoint: string,
  options: FuseMountOptions = {},
): Promise<FuseMount> {
  const {
    allowRoot = false,
    access,
    features,
    maxInFlight,
    maxMemory,
    linger,
    log,
    ...deviceOptions
  } = options
  if (allowRoot && deviceOptions.allowOther)
    throw new FuseError('FUSE_OPTION', 'allow_root and allow_other exclude each other')
  checkSessionOptions({ maxInFlight, maxMemory, features })
  if (features?.idmap && !deviceOptions.defaultPermissions && !mountpoint.startsWith('/dev/fd/'))
    throw new FuseError('FUSE_OPTION', 'the feature idmap needs defaultPermissions')
  const device = await openDevice({
    ...deviceOptions,
    mountpoint,
    allowOther: deviceOptions.allowOther || allowRoot,
  })
  const session = new Session(filesystem, device.fd, {
    features,
    maxInFlight,
    maxMemory,
    linger,
    log,
    access: allowRoot ? { uid: process.geteuid?.() ?? 0, allowRoot: true } : access,
  })
  const closed = session.closed.then(() => device.close())
  try {
    await session.start()
    await device.attach()
  } catch (error) {
    await device.unmount('force').catch(() => undefined)
    session.stop()
    await closed
    throw error
  }
  return {
    mountpoint: device.mountpoint,
    session,
    device,
    closed,
    async unmount(mode = 'clean') {
      await device.unmount(mode)
      // Aborting may be forbidden, and is not tried by number once others may have it: the descriptor ends it surely.
      if (mode === 'force' && device.state() === 'detached') session.stop()
    },
  }
}
