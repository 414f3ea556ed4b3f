import { errnoName, FilesystemError, FuseError } from '../errors.js'
import { errno, native, sys } from '../native.js'
import { openFuse } from './descriptors.js'
import { forFsconfig, forMount, type MountSettings } from './mount-options.js'
import { cString, ownThread } from './system.js'

// linux/mount.h
const FSOPEN_CLOEXEC = 1
const FSMOUNT_CLOEXEC = 1
const FSCONFIG_SET_FLAG = 0
const FSCONFIG_SET_STRING = 1
const FSCONFIG_CMD_CREATE = 6
const MOVE_MOUNT_F_EMPTY_PATH = 4
const AT_FDCWD = -100
/** fsconfig(2) takes strings of up to 255 bytes. */
const STRING_MAX = 255

export interface Detached {
  /** /dev/fuse */
  fd: number
  mountFd: number
}

/**
 * Makes a mount that is attached nowhere (fsopen(2), fsconfig(2), fsmount(2)). Waits for nothing: INIT is queued.
 * Returns undefined where this way is closed (an old kernel, a seccomp filter) and mount(2) may still be open.
 * @throws FuseError FUSE_DEVICE or FUSE_MOUNT
 */
export function createDetached(settings: MountSettings): Detached | undefined {
  if (Buffer.byteLength(settings.fsname) > STRING_MAX) return undefined
  const type = cString('fuse')
  const context = native.syscall(sys.fsopen, native.address(type), FSOPEN_CLOEXEC)
  if (context < 0) {
    if (closed(-context)) return undefined
    throw mountError('fsopen', -context)
  }
  const fds = [context]
  try {
    const fd = openFuse()
    fds.push(fd)
    const { strings, flags, attributes } = forFsconfig(settings, fd)
    let result = 0
    // The descriptor goes as text too: the kernel's fuse type takes no descriptor parameter.
    for (const [key, value] of strings) result ||= configure(context, FSCONFIG_SET_STRING, key, value)
    for (const key of flags) result ||= configure(context, FSCONFIG_SET_FLAG, key)
    result ||= native.syscall(sys.fsconfig, context, FSCONFIG_CMD_CREATE, 0, 0, 0)
    if (result === 0) result = native.syscall(sys.fsmount, context, FSMOUNT_CLOEXEC, attributes)
    if (result < 0) {
      if (closed(-result)) return undefined
      throw mountError('fsconfig', -result, explanation(context))
    }
    fds.pop()
    return { fd, mountFd: result }
  } finally {
    for (const fd of fds) native.syscall(sys.close, fd)
  }
}

function configure(context: number, command: number, key: string, value?: string): number {
  const name = cString(key)
  const text = value === undefined ? undefined : cString(value)
  const address = text ? native.address(text) : 0
  return native.syscall(sys.fsconfig, context, command, native.address(name), address, 0)
}

/** What the kernel wrote to the context: lines such as "e fuse: Bad value for 'fd'". */
function explanation(context: number): string {
  const buffer = Buffer.alloc(1024)
  const length = native.syscall(sys.read, context, native.address(buffer), buffer.length)
  return length > 0 ? `: ${buffer.toString('utf8', 2, length).trim()}` : ''
}

/** Attaches a detached mount, in a thread of its own. */
export async function attachDetached(mountFd: number, path: string): Promise<void> {
  const empty = cString('')
  const target = cString(path)
  const addresses = [native.address(empty), AT_FDCWD, native.address(target), MOVE_MOUNT_F_EMPTY_PATH]
  const result = await ownThread([empty, target], sys.move_mount, mountFd, ...addresses)
  if (result < 0) throw targetError(path, -result) ?? mountError(`move_mount to ${path}`, -result)
}

/**
 * Mounts by mount(2), in a thread of its own, and resolves to the /dev/fuse descriptor.
 * @throws FuseError FUSE_DEVICE, FUSE_MOUNT or FUSE_MOUNTPOINT
 */
export async function mountDirectly(path: string, settings: MountSettings): Promise<number> {
  const fd = openFuse()
  const { flags, data } = forMount(settings, fd)
  const type = settings.subtype ? `fuse.${settings.subtype}` : 'fuse'
  const texts = [settings.fsname, path, type, data].map(cString)
  const [source, target, name, options] = texts.map((text) => native.address(text))
  const result = await ownThread(texts, sys.mount, source, target, name, flags, options)
  if (result === 0) return fd
  native.syscall(sys.close, fd)
  throw targetError(path, -result) ?? mountError(`mount on ${path}`, -result)
}

function closed(error: number): boolean {
  return error === errno.ENOSYS || error === errno.EPERM
}

/** Errors that the mount point is to blame for. */
function targetError(path: string, error: number): FuseError | undefined {
  const what = new Map([
    [errno.ENOENT, 'does not exist'],
    [errno.ENOTDIR, "is not of the root's type"],
    [errno.EACCES, 'may not be used: permission denied'],
  ]).get(error)
  if (!what) return undefined
  return new FuseError('FUSE_MOUNTPOINT', `mount point ${path} ${what}`, {
    cause: new FilesystemError(error),
  })
}

function mountError(call: string, error: number, detail = ''): FuseError {
  const cause = new FilesystemError(error)
  let why = `${errnoName(error)}${detail}`
  if (error === errno.EPERM) why = 'not permitted, although this process holds CAP_SYS_ADMIN'
  if (error === errno.ENODEV) why = 'the kernel has no FUSE: its module is missing'
  if (error === errno.ENOSPC) why = 'too many mounts in this namespace (fs.mount-max)'
  return new FuseError('FUSE_MOUNT', `cannot mount (${call}): ${why}`, { cause })
}
