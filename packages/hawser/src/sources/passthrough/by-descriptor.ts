import { constants as c, errno, native, sys } from '@hawser/fuse'
import { DescriptorPath, text } from './memory.js'

const EMPTY = text('')

/**
 * System calls on a file by its descriptor, which is `open` or O_PATH. What takes no O_PATH descriptor takes its path in
 * /proc, which costs several times as much: three more directories are walked.
 */
export class ByDescriptor {
  readonly path = new DescriptorPath()
  /** Since Linux 6.6. */
  #fchmodat2 = true
  /** utimensat(2) with AT_EMPTY_PATH: since Linux 5.8. */
  #emptyPathTimes = true

  chmod(fd: number, open: boolean, mode: number): number {
    if (open) return native.syscall(sys.fchmod, fd, mode)
    if (this.#fchmodat2) {
      const result = native.syscall(sys.fchmodat2, fd, EMPTY.address, mode, c.AT_EMPTY_PATH)
      if (result !== -errno.ENOSYS) return result
      this.#fchmodat2 = false
    }
    return native.syscall(sys.fchmodat, c.AT_FDCWD, this.path.of(fd), mode)
  }

  /** @param times address of struct timespec[2] */
  utimens(fd: number, open: boolean, times: number): number {
    if (open) return native.syscall(sys.utimensat, fd, 0, times, 0)
    if (this.#emptyPathTimes) {
      const result = native.syscall(sys.utimensat, fd, EMPTY.address, times, c.AT_EMPTY_PATH)
      if (result !== -errno.EINVAL) return result
      this.#emptyPathTimes = false
    }
    // A symlink's own descriptor path leads to the symlink itself.
    return native.syscall(sys.utimensat, c.AT_FDCWD, this.path.of(fd), times, 0)
  }

  getxattr(fd: number, open: boolean, name: number, value: number, size: number): number {
    return open
      ? native.syscall(sys.fgetxattr, fd, name, value, size)
      : native.syscall(sys.getxattr, this.path.of(fd), name, value, size)
  }
  setxattr(fd: number, open: boolean, name: number, value: number, size: number, flags: number): number {
    return open
      ? native.syscall(sys.fsetxattr, fd, name, value, size, flags)
      : native.syscall(sys.setxattr, this.path.of(fd), name, value, size, flags)
  }
  listxattr(fd: number, open: boolean, list: number, size: number): number {
    return open
      ? native.syscall(sys.flistxattr, fd, list, size)
      : native.syscall(sys.listxattr, this.path.of(fd), list, size)
  }
  removexattr(fd: number, open: boolean, name: number): number {
    return open
      ? native.syscall(sys.fremovexattr, fd, name)
      : native.syscall(sys.removexattr, this.path.of(fd), name)
  }

  /** Opens what an O_PATH descriptor stands for. */
  reopen(fd: number, flags: number): number {
    return native.syscall(sys.openat, c.AT_FDCWD, this.path.of(fd), flags | c.O_CLOEXEC, 0)
  }
}
