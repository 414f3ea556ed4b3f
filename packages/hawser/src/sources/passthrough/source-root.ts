import { readlinkSync } from 'node:fs'
import { constants as c, checked, errno, FilesystemError, native, sys } from '@hawser/fuse'
import { Identities, Identity } from './identity.js'
import { memory, text } from './memory.js'

// linux/mount.h, linux/openat2.h
const OPEN_TREE_CLONE = 1
const AT_RECURSIVE = 0x8000
const RESOLVE_NO_XDEV = 1
const RESOLVE_NO_MAGICLINKS = 2
const RESOLVE_BENEATH = 8

export interface SourceRoot {
  /** The directory, open for reading. */
  readonly fd: number
  readonly devMajor: number
  readonly devMinor: number
  /**
   * Whether the directory is seen through a mount of its own (open_tree(2)), in which neither our mount nor a later one
   * appears. Otherwise walking might lead into our own mount, where the server would wait for itself.
   */
  readonly isolated: boolean
  /** Whether files can be opened by file handle (open_by_handle_at(2): CAP_DAC_READ_SEARCH, and a file system that has handles). */
  readonly handles: boolean
  /** Whether files have handles, which tell two uses of an inode number apart (name_to_handle_at(2)). */
  readonly handleNames: boolean
  readonly path: string
}

/** Opens a directory as the root of a source. */
export function openSourceRoot(path: string, submounts: boolean): SourceRoot {
  const name = text(path)
  const cloned = native.syscall(
    sys.open_tree,
    c.AT_FDCWD,
    name.address,
    OPEN_TREE_CLONE | c.O_CLOEXEC | (submounts ? AT_RECURSIVE : 0),
  )
  const flags = c.O_RDONLY | c.O_DIRECTORY | c.O_CLOEXEC
  let fd: number
  if (cloned >= 0) {
    fd = native.syscall(sys.openat, cloned, text('.').address, flags)
    native.syscall(sys.close, cloned)
  } else fd = native.syscall(sys.openat, c.AT_FDCWD, name.address, flags)
  checked(fd)
  const identity = new Identities(1)
  checked(native.statAt(fd, text('').address, c.AT_EMPTY_PATH, 0, identity.address, 1))
  const { words } = identity
  let handles = false
  if (words[Identity.HANDLE_BYTES] > 0) {
    const opened = native.syscall(
      sys.open_by_handle_at,
      fd,
      identity.address + Identity.HANDLE_BYTES * 4,
      c.O_PATH | c.O_CLOEXEC,
    )
    handles = opened >= 0
    if (handles) native.syscall(sys.close, opened)
  }
  return {
    fd,
    devMajor: words[Identity.DEV_MAJOR],
    devMinor: words[Identity.DEV_MINOR],
    isolated: cloned >= 0,
    handles,
    handleNames: words[Identity.HANDLE_BYTES] > 0,
    path: cloned >= 0 ? path : readlinkSync(`/proc/self/fd/${fd}`),
  }
}

/** openat2(2) of one name that follows nothing and, unless told otherwise, stays on its mount. */
export class GuardedOpen {
  // struct open_how: flags, mode, resolve, 64 bits each.
  readonly #how = memory(24)

  open(directory: number, name: number, flags: number, crossMounts: boolean): number {
    const { words, address } = this.#how
    words[0] = flags | c.O_NOFOLLOW | c.O_CLOEXEC
    words[4] = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | (crossMounts ? 0 : RESOLVE_NO_XDEV)
    const result = native.syscall(sys.openat2, directory, name, address, 24)
    if (result === -errno.ENOSYS)
      throw new FilesystemError('ENOSYS', 'openat2(2) is missing: Linux 5.6 is needed without root')
    return result
  }
}
