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
  const result = native.syscall(sys.ioctl, opened, command, argument.address)
  if (fd === undefined) native.syscall(sys.close, opened)
  if (result < 0) return reply.fail(-result)
  reply.result = result
  if (get) reply.data(argument.bytes.subarray(0, size))
}
