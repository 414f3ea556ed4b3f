// The child process of probeMount: asks the server of a mount for its root, and exits with the errno (0: it answered).
// Arguments: the mount point, and the user and group to ask as.
import { writeSync } from 'node:fs'
import { checked, FilesystemError } from '../errors.js'
import { constants, native, sys } from '../native.js'
import { cString } from './system.js'

const AT_STATX_FORCE_SYNC = 0x2000
const STATX_BASIC_STATS = 0x7ff

const [mountpoint, uid, gid] = process.argv.slice(2)
try {
  const path = cString(mountpoint)
  const empty = cString('')
  const statx = Buffer.alloc(256)
  // From here on it may wait for ever.
  writeSync(1, '.')
  // Opened before the change of user, who perhaps cannot reach the mount point; this does not ask the server.
  const flags = constants.O_PATH | constants.O_CLOEXEC
  const fd = checked(native.syscall(sys.openat, constants.AT_FDCWD, native.address(path), flags, 0))
  if (uid !== undefined && process.geteuid?.() === 0 && (uid !== '0' || gid !== '0')) {
    process.setgroups?.([])
    process.setgid?.(Number(gid))
    process.setuid?.(Number(uid))
  }
  // Attributes that the kernel holds are no sign of life.
  const how = constants.AT_EMPTY_PATH | AT_STATX_FORCE_SYNC
  checked(native.syscall(sys.statx, fd, native.address(empty), how, STATX_BASIC_STATS, native.address(statx)))
} catch (error) {
  process.exitCode = error instanceof FilesystemError ? error.errno : 1
}
