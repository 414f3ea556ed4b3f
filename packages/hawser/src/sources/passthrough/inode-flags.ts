import { fstatSync } from 'node:fs'
import {
  constants as c,
  errno,
  FilesystemError,
  type IoctlReply,
  type IoctlRequest,
  native,
  sys,
} from '@hawser/fuse'
import { memory } from './memory.js'
import type { Resolver } from './resolver.js'

/** struct fsxattr, linux/fs.h */
const FSXATTR_SIZE = 28
/** FS_IMMUTABLE_FL and FS_APPEND_FL; in struct fsxattr FS_XFLAG_IMMUTABLE and FS_XFLAG_APPEND. */
const PROTECTING = 0x30
const PROTECTING_EXTENDED = 0x18

/** The ioctls behind chattr(1) and lsattr(1); every other is ENOTTY. */
export function inodeFlags(
  resolver: Resolver,
  readOnly: boolean,
  node: number,
  fd: number | undefined,
  request: IoctlRequest,
  reply: IoctlReply,
): void {
  const { command } = request
  const get = command === c.FS_IOC_GETFLAGS || command === c.FS_IOC_FSGETXATTR
  const set = command === c.FS_IOC_SETFLAGS || command === c.FS_IOC_FSSETXATTR
  if (!get && !set) return reply.fail(errno.ENOTTY)
  if (set && readOnly) return reply.fail(errno.EROFS)
  const size = command === c.FS_IOC_GETFLAGS || command === c.FS_IOC_SETFLAGS ? 4 : FSXATTR_SIZE
  const argument = memory(32)
  if (set) argument.bytes.set(request.data.subarray(0, size))
  const opened = fd ?? resolver.open(node, c.O_RDONLY)
  if (opened < 0) throw new FilesystemError(opened === -errno.ENXIO ? 'ENOTTY' : -opened)
  const allowed = !set || mayChange(opened, size === 4, argument.words[0], request.uid)
  const result = allowed ? native.syscall(sys.ioctl, opened, command, argument.address) : -errno.EPERM
  if (fd === undefined) native.syscall(sys.close, opened)
  if (result < 0) return reply.fail(-result)
  reply.result = result
  if (get) reply.data(argument.bytes.subarray(0, size))
}

/**
 * Whether a caller may change flags. Before Linux 5.13 the kernel asks without having checked (fuse_fileattr_set() does): the
 * owner may, root may, and root alone what protects a file.
 */
function mayChange(fd: number, plain: boolean, flags: number, uid: number): boolean {
  if (uid === 0) return true
  if (fstatSync(fd).uid !== uid) return false
  const present = memory(32)
  const get = plain ? c.FS_IOC_GETFLAGS : c.FS_IOC_FSGETXATTR
  if (native.syscall(sys.ioctl, fd, get, present.address) < 0) return true
  return ((present.words[0] ^ flags) & (plain ? PROTECTING : PROTECTING_EXTENDED)) === 0
}
