/** Applies operations to one tree and answers in a form that two trees can be compared by. */
import { digest, outcome, pattern } from '../assertions.js'
import { constants as c } from '../native.js'
import * as posix from '../posix.js'
import type { FileStatus } from '../posix-structures.js'
import type { Operation } from './operations.js'

const allocations = {
  extend: 0,
  keep: c.FALLOC_FL_KEEP_SIZE,
  punch: c.FALLOC_FL_PUNCH_HOLE | c.FALLOC_FL_KEEP_SIZE,
  zero: c.FALLOC_FL_ZERO_RANGE,
}
const page = 4096
// Later than any time that an operation sets: what the kernel wrote at its own clock, which differs between the trees.
const ownClock = 1_500_000_000_000_000_000n

const time = (value: bigint) => (value > ownClock ? 'recent' : String(value))

// The kernel itself moves the bytes of a fifo: the filesystem does not learn of it.
const comparableTime = (mode: number, mtime: bigint) => ((mode & c.S_IFMT) === c.S_IFIFO ? '-' : time(mtime))

/** What must be equal in both trees. Inode and device numbers, ctime, atime and blocks are not among it. */
export function comparable(status: FileStatus | number): unknown {
  if (typeof status === 'number') return outcome(status)
  const { mode, nlink, uid, gid, size, mtime } = status
  const kind = mode & c.S_IFMT
  return {
    mode: mode.toString(8),
    nlink,
    uid,
    gid,
    size: kind === c.S_IFDIR ? '-' : size,
    mtime: comparableTime(mode, mtime),
  }
}

export class Executor {
  #root: string
  #slots = new Map<number, number>()

  constructor(root: string) {
    this.#root = root
  }

  get openSlots(): number[] {
    return [...this.#slots.keys()]
  }

  close(): void {
    for (const fd of this.#slots.values()) posix.close(fd)
    this.#slots.clear()
  }

  apply(operation: Operation): unknown {
    const o = operation
    switch (o.op) {
      case 'open':
        return this.#open(o.slot, o.path, o.flags, o.mode)
      case 'close': {
        const fd = this.#fd(o.slot)
        this.#slots.delete(o.slot)
        return outcome(posix.close(fd))
      }
      case 'read':
        return bytes(posix.pread(this.#fd(o.slot), o.length, o.offset))
      case 'write':
        return count(posix.pwrite(this.#fd(o.slot), pattern(o.length, o.seed), o.offset))
      case 'readNext':
        return bytes(posix.read(this.#fd(o.slot), o.length))
      case 'writeNext':
        return count(posix.write(this.#fd(o.slot), pattern(o.length, o.seed)))
      case 'seek':
        // A directory's positions are its filesystem's own.
        return this.#isFile(o.slot)
          ? count(posix.lseek(this.#fd(o.slot), o.offset, c[`SEEK_${o.whence}`]))
          : 'no file'
      case 'seekData':
        return this.#seekData(o.slot, o.offset, o.whence)
      case 'ftruncate':
        return outcome(posix.ftruncate(this.#fd(o.slot), o.size))
      case 'truncate':
        return outcome(posix.truncate(this.#path(o.path), o.size))
      case 'fallocate':
        return outcome(posix.fallocate(this.#fd(o.slot), allocations[o.mode], o.offset, o.length))
      case 'copyRange':
        return count(
          posix.copyFileRange(this.#fd(o.from), o.fromOffset, this.#fd(o.to), o.toOffset, o.length),
        )
      case 'mapRead':
        return this.#map(o.slot, o.offset, o.length, c.PROT_READ, (at, length) =>
          bytes(posix.peek(at, length)),
        )
      case 'mapWrite':
        return this.#map(o.slot, o.offset, o.length, c.PROT_READ | c.PROT_WRITE, (at, length) => {
          const stored = outcome(posix.poke(at, pattern(length, o.seed)))
          return [stored, outcome(posix.msync(at - (at % page), length + (at % page), c.MS_SYNC))]
        })
      case 'fsync':
        return outcome(o.dataOnly ? posix.fdatasync(this.#fd(o.slot)) : posix.fsync(this.#fd(o.slot)))
      case 'fstat':
        return comparable(posix.fstat(this.#fd(o.slot)))
      case 'fchmod':
        return outcome(posix.fchmod(this.#fd(o.slot), o.mode))
      case 'linkSlot':
        return outcome(
          posix.link(`/proc/self/fd/${this.#fd(o.slot)}`, this.#path(o.path), c.AT_SYMLINK_FOLLOW),
        )
      case 'stat':
        return comparable(o.follow ? posix.stat(this.#path(o.path)) : posix.lstat(this.#path(o.path)))
      case 'list': {
        const names = posix.list(this.#path(o.path))
        return typeof names === 'number' ? outcome(names) : names
      }
      case 'mkdir':
        return outcome(posix.mkdir(this.#path(o.path), o.mode))
      case 'mkfifo':
        return outcome(posix.mkfifo(this.#path(o.path), o.mode))
      case 'rmdir':
        return outcome(posix.rmdir(this.#path(o.path)))
      case 'unlink':
        return outcome(posix.unlink(this.#path(o.path)))
      case 'rename': {
        const flags = { NONE: 0, NOREPLACE: c.RENAME_NOREPLACE, EXCHANGE: c.RENAME_EXCHANGE }[o.flag]
        return outcome(posix.rename(this.#path(o.from), this.#path(o.to), flags))
      }
      case 'link':
        return outcome(posix.link(this.#path(o.from), this.#path(o.to)))
      case 'symlink':
        return outcome(posix.symlink(o.target, this.#path(o.path)))
      case 'readlink': {
        const target = posix.readlink(this.#path(o.path))
        return typeof target === 'number' ? outcome(target) : target.toString('latin1')
      }
      case 'chmod':
        return outcome(posix.chmod(this.#path(o.path), o.mode))
      case 'utimens':
        return this.#utimens(o.path, o.atime, o.mtime)
      case 'setxattr': {
        const flags = { NONE: 0, CREATE: c.XATTR_CREATE, REPLACE: c.XATTR_REPLACE }[o.flag]
        return outcome(posix.setxattr(this.#path(o.path), o.name, pattern(o.length, o.seed), flags))
      }
      case 'getxattr':
        return bytes(posix.getxattr(this.#path(o.path), o.name))
      case 'listxattr': {
        const names = posix.listxattr(this.#path(o.path))
        return typeof names === 'number' ? outcome(names) : names.filter((name) => name.startsWith('user.'))
      }
      case 'removexattr':
        return outcome(posix.removexattr(this.#path(o.path), o.name))
      case 'contents':
        return this.#contents(o.path)
    }
  }

  #path(relative: string): string {
    return relative === '' ? this.#root : `${this.#root}/${relative}`
  }

  // An empty slot is a descriptor that no process has: every call on it is EBADF on both sides.
  #fd(slot: number): number {
    return this.#slots.get(slot) ?? 0x3fffffff
  }

  #isFile(slot: number): boolean {
    const status = posix.fstat(this.#fd(slot))
    return typeof status !== 'number' && (status.mode & c.S_IFMT) === c.S_IFREG
  }

  #open(slot: number, path: string, flags: string[], mode: number): unknown {
    const old = this.#slots.get(slot)
    if (old !== undefined) {
      posix.close(old)
      this.#slots.delete(slot)
    }
    // Without O_NONBLOCK, opening a fifo would wait.
    const fd = posix.open(
      this.#path(path),
      flags.reduce((all, flag) => all | c[`O_${flag}`], c.O_NONBLOCK),
      mode,
    )
    if (fd >= 0) this.#slots.set(slot, fd)
    return outcome(fd)
  }

  // Only within the file: what is stored beyond its end has no defined fate.
  #map(
    slot: number,
    offset: number,
    length: number,
    protection: number,
    use: (address: number, length: number) => unknown,
  ): unknown {
    const fd = this.#fd(slot)
    const status = posix.fstat(fd)
    if (typeof status === 'number') return outcome(status)
    const within = Math.min(length, status.size - offset)
    if ((status.mode & c.S_IFMT) !== c.S_IFREG || within <= 0) return 'nothing to map'
    const start = offset - (offset % page)
    const address = posix.mmap(offset + within - start, protection, c.MAP_SHARED, fd, start)
    if (address < 0) return outcome(address)
    const result = use(address + offset - start, within)
    posix.munmap(address, offset + within - start)
    return result
  }

  // How finely a filesystem tells holes is its own affair, and depends on how the bytes arrived: what counts is that no data
  // is in what it says is a hole, and that the end is one.
  #seekData(slot: number, offset: number, whence: 'DATA' | 'HOLE'): string {
    if (!this.#isFile(slot)) return 'no file'
    const fd = this.#fd(slot)
    // What is not yet written out has no place to be found at.
    posix.fsync(fd)
    const status = posix.fstat(fd)
    const found = posix.lseek(fd, offset, c[`SEEK_${whence}`])
    if (typeof status === 'number') return outcome(status)
    const { size } = status
    if (offset >= size || (found < 0 && outcome(found) !== 'ENXIO')) return outcome(found)
    if (whence === 'HOLE')
      return found >= offset && found <= size ? 'a hole or the end' : `a hole at ${found}`
    const end = found < 0 ? size : found
    const hole = posix.pread(fd, end - offset, offset)
    if (end < offset || end > size) return `data at ${found}`
    return typeof hole === 'number' || hole.every((byte) => byte === 0)
      ? 'a hole up to data'
      : 'data in a hole'
  }

  #utimens(path: string, atime: number | 'omit', mtime: number | 'omit'): unknown {
    const nanoseconds = (value: number | 'omit') => (value === 'omit' ? value : BigInt(value))
    const result = posix.utimens(
      this.#path(path),
      nanoseconds(atime),
      nanoseconds(mtime),
      c.AT_SYMLINK_NOFOLLOW,
    )
    const status = posix.lstat(this.#path(path))
    if (result < 0 || typeof status === 'number') return outcome(result)
    return [atime === 'omit' ? atime : time(status.atime), comparableTime(status.mode, status.mtime)]
  }

  #contents(path: string): unknown {
    const status = posix.stat(this.#path(path))
    if (typeof status === 'number') return outcome(status)
    if ((status.mode & c.S_IFMT) !== c.S_IFREG) return 'no file'
    const fd = posix.open(this.#path(path), c.O_RDONLY)
    if (fd < 0) return outcome(fd)
    const result = posix.pread(fd, status.size + 1, 0)
    posix.close(fd)
    return bytes(result)
  }
}

function bytes(result: Buffer | number): string {
  return typeof result === 'number' ? outcome(result) : digest(result)
}

function count(result: number): string | number {
  return result < 0 ? outcome(result) : result
}
