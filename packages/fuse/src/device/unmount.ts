import { errnoName, FuseError } from '../errors.js'
import { constants, errno, native, sys } from '../native.js'
import { abortConnection } from './connections.js'
import { unmountByFusermount } from './fusermount.js'
import { locateMount } from './identity.js'
import { connectionOf, findMount, isFuse } from './mountinfo.js'
import { cString, maySysAdmin, ownThread } from './system.js'

/**
 * clean: refused while something uses the mount; what was written reaches the server first.
 * lazy: the name disappears at once, and the connection ends when its last user has gone.
 * force: the connection is aborted, so that callers waiting for it get ENOTCONN, and the mount detached.
 */
export type UnmountMode = 'clean' | 'lazy' | 'force'

/**
 * Unmounts the FUSE file system at `mountpoint`, from any process. Works on mounts whose server is gone or hangs, since the
 * mount point itself is never asked for anything (clean: unless written data waits for a server that hangs).
 * Unprivileged, 'force' aborts where fusectl is mounted, and otherwise is 'lazy'.
 * @throws FuseError FUSE_UNMOUNT
 */
export async function unmountAt(mountpoint: string, mode: UnmountMode): Promise<void> {
  const entry = await locateMount(mountpoint).catch((cause) => {
    throw new FuseError('FUSE_UNMOUNT', `cannot reach ${mountpoint}: ${cause.message}`, { cause })
  })
  if (!entry) throw new FuseError('FUSE_UNMOUNT', `${mountpoint} is not mounted`)
  if (!isFuse(entry)) {
    throw new FuseError('FUSE_UNMOUNT', `${mountpoint} is a mount of type ${entry.type}, not FUSE`)
  }
  if (mode === 'force') abortQuietly(connectionOf(entry))
  await unmountPath(entry.mountPoint, mode)
}

/** Aborts where this process may; what follows detaches the mount in any case. */
export function abortQuietly(connection: number | undefined): void {
  try {
    if (connection !== undefined) abortConnection(connection)
  } catch (error) {
    if (!(error instanceof FuseError)) throw error
  }
}

/** Unmounts the topmost mount at a path without symbolic links. */
export async function unmountPath(path: string, mode: UnmountMode): Promise<void> {
  if (maySysAdmin()) {
    const result = await umount2(path, mode)
    if (result === 0) return
    if (result === -errno.EBUSY) throw busy(path)
    // Someone else was first.
    if ((result === -errno.EINVAL || result === -errno.ENOENT) && !findMount(path)) return
    throw new FuseError('FUSE_UNMOUNT', `cannot unmount ${path}: ${errnoName(-result)}`)
  }
  const complaint = await unmountByFusermount(path, mode !== 'clean')
  if (complaint === undefined || !findMount(path)) return
  if (/busy/i.test(complaint)) throw busy(path)
  throw new FuseError('FUSE_UNMOUNT', `cannot unmount ${path}: ${complaint}`)
}

async function umount2(path: string, mode: UnmountMode): Promise<number> {
  const name = cString(path)
  const call = (flags: number) =>
    ownThread(name, sys.umount2, native.address(name), flags | constants.UMOUNT_NOFOLLOW)
  if (mode === 'clean') return call(0)
  if (mode === 'lazy') return call(constants.MNT_DETACH)
  // MNT_FORCE aborts too, and needs no fusectl; a mount made by another user namespace's root refuses it.
  const result = await call(constants.MNT_FORCE | constants.MNT_DETACH)
  return result === -errno.EPERM ? call(constants.MNT_DETACH) : result
}

function busy(path: string): FuseError {
  return new FuseError(
    'FUSE_UNMOUNT',
    `${path} is in use by an open file or a working directory; unmount it lazily to detach it now`,
  )
}
