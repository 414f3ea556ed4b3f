import { existsSync, writeFileSync } from 'node:fs'
import { errnoName, FuseError } from '../errors.js'
import { constants, errno, native, sys } from '../native.js'
import { readMounts } from './mountinfo.js'
import { cString } from './system.js'

// The control file system of FUSE: a directory per connection (Documentation/filesystems/fuse.rst).
const DIRECTORY = '/sys/fs/fuse/connections'
// linux/mount.h
const FSOPEN_CLOEXEC = 1
const FSMOUNT_CLOEXEC = 1
const FSCONFIG_CMD_CREATE = 6

/**
 * Ends a FUSE connection: waiting callers get ENOTCONN, its server ENODEV or ECONNABORTED. Never waits. A connection that
 * has ended already is none. As root it needs no mounted fusectl; others need it mounted, and own the connection.
 * @throws FuseError FUSE_UNMOUNT where this process may not
 */
export function abortConnection(number: number): void {
  if (!Number.isInteger(number) || number < 0) {
    throw new FuseError('FUSE_UNMOUNT', `${number} is no connection number`)
  }
  const mounted = readMounts().findLast((entry) => entry.type === 'fusectl')?.mountPoint
  if (mounted !== undefined) {
    try {
      writeFileSync(`${mounted}/${number}/abort`, '1')
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException
      if (code === 'ENOENT') return
      throw new FuseError('FUSE_UNMOUNT', `cannot abort connection ${number}: ${code}`, { cause })
    }
    return
  }
  const result = abortUnmounted(number)
  if (result < 0 && result !== -errno.ENOENT) {
    const hint = existsSync(DIRECTORY) ? `; as root: mount -t fusectl fusectl ${DIRECTORY}` : ''
    throw new FuseError('FUSE_UNMOUNT', `cannot abort connection ${number}: ${errnoName(-result)}${hint}`)
  }
}

/** Aborts through a fusectl that is mounted nowhere, or where the kernel has no such mounts, at its usual place. */
function abortUnmounted(number: number): number {
  const type = cString('fusectl')
  const context = native.syscall(sys.fsopen, native.address(type), FSOPEN_CLOEXEC)
  if (context === -errno.ENOSYS) return abortMounting(number)
  if (context < 0) return context
  let mount = native.syscall(sys.fsconfig, context, FSCONFIG_CMD_CREATE, 0, 0, 0)
  if (mount >= 0) mount = native.syscall(sys.fsmount, context, FSMOUNT_CLOEXEC, 0)
  native.syscall(sys.close, context)
  if (mount < 0) return mount
  const result = writeOne(mount, `${number}/abort`)
  native.syscall(sys.close, mount)
  return result
}

function abortMounting(number: number): number {
  const type = cString('fusectl')
  const target = cString(DIRECTORY)
  const address = native.address(type)
  const result = native.syscall(sys.mount, address, native.address(target), address, 0, 0)
  return result < 0 ? result : writeOne(constants.AT_FDCWD, `${DIRECTORY}/${number}/abort`)
}

function writeOne(directory: number, path: string): number {
  const name = cString(path)
  const flags = constants.O_WRONLY | constants.O_CLOEXEC
  const fd = native.syscall(sys.openat, directory, native.address(name), flags, 0)
  if (fd < 0) return fd
  const one = Buffer.from('1')
  const result = native.syscall(sys.write, fd, native.address(one), one.length)
  native.syscall(sys.close, fd)
  return result
}
