/**
 * The system calls of the kit, one function each, synchronous. They never throw for an errno: the result is a number
 * (or what was read), and a negative number is minus errno. Paths may be Buffers, since a name is bytes.
 */
import { constants as c, native, type Word } from './native.js'
import {
  alignedBuffer,
  type DirectoryEntry,
  type FileStatus,
  type FilesystemStatus,
  type Lock,
  parseEntries,
  parseLock,
  parseNames,
  parseStatfs,
  parseStatx,
  serializeLock,
  serializeTimes,
} from './posix-structures.js'

export type Path = string | Buffer
export type Offset = number | bigint

const nul = Buffer.alloc(1)
const { AT_FDCWD } = c

function z(path: Path): Buffer {
  return Buffer.concat([typeof path === 'string' ? Buffer.from(path) : path, nul])
}

function call(number: number, ...words: Word[]): number {
  return native.call(number, ...words) as number
}

function filled(result: number, buffer: Buffer): Buffer | number {
  return result < 0 ? result : buffer.subarray(0, result)
}

function readInto(size: number, run: (buffer: Buffer) => number): Buffer | number {
  const buffer = Buffer.alloc(size)
  return filled(run(buffer), buffer)
}

/** Any system call by its number, for what has no function here. */
export function rawCall(number: number, ...words: Word[]): number {
  return call(number, ...words)
}

// Files and descriptors

export function openat(dirfd: number, path: Path, flags: number, mode = 0): number {
  return call(c.SYS_openat, dirfd, z(path), flags, mode)
}
export function open(path: Path, flags: number, mode = 0): number {
  return openat(AT_FDCWD, path, flags | c.O_CLOEXEC, mode)
}
export function close(fd: number): number {
  return call(c.SYS_close, fd)
}
export function read(fd: number, length: number): Buffer | number {
  return readInto(length, (buffer) => call(c.SYS_read, fd, buffer, length))
}
export function write(fd: number, data: string | Buffer): number {
  const bytes = Buffer.from(data as string)
  return call(c.SYS_write, fd, bytes, bytes.length)
}
export function pread(fd: number, length: number, offset: Offset): Buffer | number {
  return readInto(length, (buffer) => call(c.SYS_pread64, fd, buffer, length, offset))
}
export function pwrite(fd: number, data: string | Buffer, offset: Offset): number {
  const bytes = Buffer.from(data as string)
  return call(c.SYS_pwrite64, fd, bytes, bytes.length, offset)
}
/** Reads through memory aligned as O_DIRECT demands. */
export function preadDirect(fd: number, length: number, offset: Offset): Buffer | number {
  const buffer = alignedBuffer(length)
  return filled(call(c.SYS_pread64, fd, buffer, length, offset), buffer)
}
export function pwriteDirect(fd: number, data: Buffer, offset: Offset): number {
  const buffer = alignedBuffer(data.length)
  data.copy(buffer)
  return call(c.SYS_pwrite64, fd, buffer, data.length, offset)
}
export function lseek(fd: number, offset: Offset, whence: number): number {
  return call(c.SYS_lseek, fd, offset, whence)
}
/** lseek whose result keeps all 64 bits, as the offsets of directories need. */
export function seek64(fd: number, offset: Offset, whence: number): bigint {
  return BigInt(native.call(c.SYS_lseek, fd, offset, whence))
}
export function fallocate(fd: number, mode: number, offset: Offset, length: Offset): number {
  return call(c.SYS_fallocate, fd, mode, offset, length)
}
export function copyFileRange(
  from: number,
  fromOffset: Offset | null,
  to: number,
  toOffset: Offset | null,
  length: number,
  flags = 0,
): number {
  const offset = (value: Offset | null) => {
    if (value === null) return null
    const buffer = Buffer.alloc(8)
    buffer.writeBigInt64LE(BigInt(value))
    return buffer
  }
  return call(c.SYS_copy_file_range, from, offset(fromOffset), to, offset(toOffset), length, flags)
}
export function ftruncate(fd: number, length: Offset): number {
  return call(c.SYS_ftruncate, fd, length)
}
export function truncate(path: Path, length: Offset): number {
  return call(c.SYS_truncate, z(path), length)
}
export function fsync(fd: number): number {
  return call(c.SYS_fsync, fd)
}
export function fdatasync(fd: number): number {
  return call(c.SYS_fdatasync, fd)
}
export function syncfs(fd: number): number {
  return call(c.SYS_syncfs, fd)
}
export function fadvise(fd: number, offset: Offset, length: Offset, advice: number): number {
  return call(c.SYS_fadvise64, fd, offset, length, advice)
}
/** F_GETFL, F_SETFL, F_DUPFD and others whose argument is a number. */
export function fcntl(fd: number, command: number, argument = 0): number {
  return call(c.SYS_fcntl, fd, command, argument)
}

// Names

export function mkdir(path: Path, mode = 0o777): number {
  return call(c.SYS_mkdirat, AT_FDCWD, z(path), mode)
}
export function rmdir(path: Path): number {
  return call(c.SYS_unlinkat, AT_FDCWD, z(path), c.AT_REMOVEDIR)
}
export function unlink(path: Path): number {
  return call(c.SYS_unlinkat, AT_FDCWD, z(path), 0)
}
export function rename(from: Path, to: Path, flags = 0): number {
  return call(c.SYS_renameat2, AT_FDCWD, z(from), AT_FDCWD, z(to), flags)
}
export function link(from: Path, to: Path, flags = 0): number {
  return call(c.SYS_linkat, AT_FDCWD, z(from), AT_FDCWD, z(to), flags)
}
export function linkat(fromFd: number, from: Path, toFd: number, to: Path, flags: number): number {
  return call(c.SYS_linkat, fromFd, z(from), toFd, z(to), flags)
}
export function symlink(target: Path, path: Path): number {
  return call(c.SYS_symlinkat, z(target), AT_FDCWD, z(path))
}
export function readlink(path: Path, size = 4096): Buffer | number {
  return readInto(size, (buffer) => call(c.SYS_readlinkat, AT_FDCWD, z(path), buffer, size))
}
export function mknod(path: Path, mode: number, major = 0, minor = 0): number {
  return call(c.SYS_mknodat, AT_FDCWD, z(path), mode, native.makeDevice(major, minor))
}
export function mkfifo(path: Path, mode = 0o666): number {
  return mknod(path, c.S_IFIFO | mode)
}

// Status

function statx(dirfd: number, path: Path, flags: number): FileStatus | number {
  const buffer = Buffer.alloc(256)
  const result = call(c.SYS_statx, dirfd, z(path), flags, c.STATX_BASIC_STATS | c.STATX_BTIME, buffer)
  return result < 0 ? result : parseStatx(buffer)
}
export function stat(path: Path): FileStatus | number {
  return statx(AT_FDCWD, path, 0)
}
export function lstat(path: Path): FileStatus | number {
  return statx(AT_FDCWD, path, c.AT_SYMLINK_NOFOLLOW)
}
export function fstat(fd: number): FileStatus | number {
  return statx(fd, '', c.AT_EMPTY_PATH)
}
/** lstat that asks the filesystem itself, whatever attributes are cached. */
export function lstatFresh(path: Path): FileStatus | number {
  return statx(AT_FDCWD, path, c.AT_SYMLINK_NOFOLLOW | c.AT_STATX_FORCE_SYNC)
}
export function statfs(path: Path): FilesystemStatus | number {
  const buffer = Buffer.alloc(256)
  const result = call(c.SYS_statfs, z(path), buffer)
  return result < 0 ? result : parseStatfs(buffer)
}
export function pathconf(path: Path, name: number): number {
  return native.pathConfiguration(z(path), name)
}
export function chmod(path: Path, mode: number): number {
  return call(c.SYS_fchmodat, AT_FDCWD, z(path), mode)
}
export function fchmod(fd: number, mode: number): number {
  return call(c.SYS_fchmod, fd, mode)
}
export function chown(path: Path, uid: number, gid: number): number {
  return call(c.SYS_fchownat, AT_FDCWD, z(path), uid, gid, 0)
}
export function lchown(path: Path, uid: number, gid: number): number {
  return call(c.SYS_fchownat, AT_FDCWD, z(path), uid, gid, c.AT_SYMLINK_NOFOLLOW)
}
export function fchown(fd: number, uid: number, gid: number): number {
  return call(c.SYS_fchown, fd, uid, gid)
}
/** Each time in nanoseconds since the epoch, or 'now', or 'omit'; null for both sets both to now. */
export type Time = bigint | 'now' | 'omit'
export function utimens(path: Path, atime: Time, mtime: Time, flags = 0): number {
  return call(c.SYS_utimensat, AT_FDCWD, z(path), serializeTimes(atime, mtime), flags)
}
export function utimensNull(path: Path): number {
  return call(c.SYS_utimensat, AT_FDCWD, z(path), null, 0)
}
export function futimens(fd: number, atime: Time, mtime: Time): number {
  return call(c.SYS_utimensat, fd, null, serializeTimes(atime, mtime), 0)
}
export function faccessat(dirfd: number, path: Path, mode: number): number {
  return call(c.SYS_faccessat, dirfd, z(path), mode)
}
export function access(path: Path, mode: number, flags = 0): number {
  return flags === 0
    ? faccessat(AT_FDCWD, path, mode)
    : call(c.SYS_faccessat2, AT_FDCWD, z(path), mode, flags)
}

// Directories

/** One getdents64 call. */
export function getdents(fd: number, size = 32768): DirectoryEntry[] | number {
  const buffer = Buffer.alloc(size)
  const result = call(c.SYS_getdents64, fd, buffer, size)
  return result < 0 ? result : parseEntries(buffer.subarray(0, result))
}
/** Every entry from the descriptor's position on. */
export function readAllEntries(fd: number, size = 32768): DirectoryEntry[] | number {
  const entries: DirectoryEntry[] = []
  for (;;) {
    const some = getdents(fd, size)
    if (typeof some === 'number') return some
    if (some.length === 0) return entries
    entries.push(...some)
  }
}
/** The names in a directory but . and .., sorted, as latin1 strings (so that any byte survives). */
export function list(path: Path): string[] | number {
  const fd = open(path, c.O_RDONLY | c.O_DIRECTORY)
  if (fd < 0) return fd
  const entries = readAllEntries(fd)
  close(fd)
  if (typeof entries === 'number') return entries
  return entries
    .map((entry) => entry.name.toString('latin1'))
    .filter((name) => name !== '.' && name !== '..')
    .sort()
}

// Locks

export function flock(fd: number, operation: number): number {
  return call(c.SYS_flock, fd, operation)
}
/** F_SETLK, F_SETLKW and their F_OFD_ forms. */
export function setLock(
  fd: number,
  command: number,
  type: number,
  start: Offset,
  length: Offset,
  whence = 0,
): number {
  return call(c.SYS_fcntl, fd, command, serializeLock(type, whence, start, length))
}
/** F_GETLK and F_OFD_GETLK. */
export function getLock(
  fd: number,
  command: number,
  type: number,
  start: Offset,
  length: Offset,
): Lock | number {
  const buffer = serializeLock(type, 0, start, length)
  const result = call(c.SYS_fcntl, fd, command, buffer)
  return result < 0 ? result : parseLock(buffer)
}

// Extended attributes

export function getxattr(path: Path, name: Path, size = 65536): Buffer | number {
  return readInto(size, (buffer) => call(c.SYS_getxattr, z(path), z(name), buffer, size))
}
export function lgetxattr(path: Path, name: Path, size = 65536): Buffer | number {
  return readInto(size, (buffer) => call(c.SYS_lgetxattr, z(path), z(name), buffer, size))
}
export function fgetxattr(fd: number, name: Path, size = 65536): Buffer | number {
  return readInto(size, (buffer) => call(c.SYS_fgetxattr, fd, z(name), buffer, size))
}
/** The size of a value or list, asked with a buffer of size 0. */
export function xattrSize(path: Path, name: Path | null): number {
  return name === null
    ? call(c.SYS_listxattr, z(path), null, 0)
    : call(c.SYS_getxattr, z(path), z(name), null, 0)
}
export function setxattr(path: Path, name: Path, value: string | Buffer, flags = 0): number {
  const bytes = Buffer.from(value as string)
  return call(c.SYS_setxattr, z(path), z(name), bytes, bytes.length, flags)
}
export function lsetxattr(path: Path, name: Path, value: string | Buffer, flags = 0): number {
  const bytes = Buffer.from(value as string)
  return call(c.SYS_lsetxattr, z(path), z(name), bytes, bytes.length, flags)
}
export function fsetxattr(fd: number, name: Path, value: string | Buffer, flags = 0): number {
  const bytes = Buffer.from(value as string)
  return call(c.SYS_fsetxattr, fd, z(name), bytes, bytes.length, flags)
}
export function listxattr(path: Path, size = 65536): string[] | number {
  const names = readInto(size, (buffer) => call(c.SYS_listxattr, z(path), buffer, size))
  return typeof names === 'number' ? names : parseNames(names)
}
export function llistxattr(path: Path, size = 65536): string[] | number {
  const names = readInto(size, (buffer) => call(c.SYS_llistxattr, z(path), buffer, size))
  return typeof names === 'number' ? names : parseNames(names)
}
export function flistxattr(fd: number, size = 65536): string[] | number {
  const names = readInto(size, (buffer) => call(c.SYS_flistxattr, fd, buffer, size))
  return typeof names === 'number' ? names : parseNames(names)
}
export function removexattr(path: Path, name: Path): number {
  return call(c.SYS_removexattr, z(path), z(name))
}
export function lremovexattr(path: Path, name: Path): number {
  return call(c.SYS_lremovexattr, z(path), z(name))
}
export function fremovexattr(fd: number, name: Path): number {
  return call(c.SYS_fremovexattr, fd, z(name))
}

// Memory mappings: a mapping is its address

export function mmap(
  length: number,
  protection: number,
  flags: number,
  fd: number,
  offset: Offset = 0,
): number {
  return call(c.SYS_mmap, null, length, protection, flags, fd, offset)
}
export function munmap(address: number, length: number): number {
  return call(c.SYS_munmap, address, length)
}
export function msync(address: number, length: number, flags: number): number {
  return call(c.SYS_msync, address, length, flags)
}
/** Reads mapped memory; -EFAULT where it raises SIGBUS. */
export function peek(address: number, length: number): Buffer | number {
  const buffer = Buffer.alloc(length)
  const result = native.copyMemory(buffer, address, length)
  return result < 0 ? result : buffer
}
export function poke(address: number, data: string | Buffer): number {
  const bytes = Buffer.from(data as string)
  return native.copyMemory(address, bytes, bytes.length)
}

// The process

export function become(uid: number, gid: number, groups: number[]): number {
  return native.become(uid, gid, Buffer.from(Uint32Array.from(groups).buffer), groups.length)
}
export function umask(mask: number): number {
  return call(c.SYS_umask, mask)
}
export function chdir(path: Path): number {
  return call(c.SYS_chdir, z(path))
}
export function fchdir(fd: number): number {
  return call(c.SYS_fchdir, fd)
}
export function getcwd(): Buffer | number {
  return readInto(4096, (buffer) => call(c.SYS_getcwd, buffer, 4096))
}
export function interruptOn(signal: number): number {
  return native.interruptOn(signal)
}
/** Ends this process when the thread that started it ends, even while it waits in a system call. */
export function dieWithParent(): number {
  return call(c.SYS_prctl, c.PR_SET_PDEATHSIG, c.SIGKILL)
}
