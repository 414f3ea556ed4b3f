// The addon's functions, typed. Every call returns a value of 0 or more, or the negated errno.
import { fileURLToPath } from 'node:url'

/** Memory that the addon may read or write: an address from `address()` plus a byte offset. 0 is NULL. */
export type Address = number

export interface Native {
  /** System call numbers of this architecture. */
  readonly sys: Readonly<Record<SystemCall, number>>
  readonly constants: Readonly<Record<Constant, number>>
  readonly errno: Readonly<Record<ErrnoName, number>>
  address(view: Uint8Array): Address
  syscall(number: number, ...args: number[]): number
  /** Up to four arguments; where `identity` is given, the call opens a descriptor, which is then looked at as `statAt` does. */
  syscallAs(
    uid: number,
    gid: number,
    groups: Address,
    groupCount: number,
    umask: number,
    number: number,
    a0: number,
    a1: number,
    a2: number,
    a3: number,
    attr?: Address,
    identity?: Address,
    handle?: number,
  ): number
  keepSetId(keep: number): number
  readNowait(fd: number, to: Address, length: number, offset: number): number
  writeNowait(fd: number, from: Address, length: number, offset: number, append: number): number
  /** @param control the bytes of a Float64Array: fd, request, reply, replyLength, next, capacity, statistics, result, rangeFd, rangeOffset, rangeLength, rangeNowait, linger, attr, attrFd, turn, began, closing, replyAt */
  exchanger(control: Uint8Array): () => void
  replyGathered(
    fd: number,
    request: Address,
    reply: Address,
    headLength: number,
    buffers: Uint8Array[],
    statistics: Address,
  ): number
  receiveDescriptors(
    socket: number,
    data: Address,
    length: number,
    descriptors: Address,
  ): [bytes: number, descriptors: number]
  sendDescriptors(socket: number, data: Address, length: number, descriptors: Address, count: number): number
  statAt(
    directory: number,
    path: Address,
    flags: number,
    attr: Address,
    identity: Address,
    handle: number,
  ): number
  /** openat(2), and a look at what was opened as `statAt` does. */
  openAt(
    directory: number,
    path: Address,
    flags: number,
    attr: Address,
    identity: Address,
    handle: number,
  ): number
  /** Closes a descriptor when the reply to the request at hand is sent. Only for handlers that answer in the same turn. */
  closeSoon(fd: number): void
  /** Closes those now: for a turn that ends without an exchange. */
  closeNow(): void
  /** Where they are listed: int32, their number, then they. */
  readonly closing: Address
  statFilesystem(fd: number, kstatfs: Address): number
  filesystemType(fd: number): number
  readDirectory(
    fd: number,
    offsetLow: number,
    offsetHigh: number,
    to: Address,
    size: number,
    plus: number,
    identities: Address,
    stride: number,
    maximum: number,
  ): number
  watch(fd: number, callback: () => void): Watch | number
  watchPause(watch: Watch): void
  watchResume(watch: Watch): void
  watchClose(watch: Watch): void
  offloadStart(threads: number, callback: (id: number, result: number) => void): Pool
  offload(pool: Pool, lane: number, id: number, number: number, ...args: number[]): number
  offloadCancel(pool: Pool, id: number): void
}

export interface Watch {
  readonly watch: unique symbol
}
export interface Pool {
  readonly pool: unique symbol
}

export type SystemCall =
  | 'openat'
  | 'openat2'
  | 'close'
  | 'read'
  | 'write'
  | 'pread64'
  | 'pwrite64'
  | 'preadv2'
  | 'pwritev2'
  | 'fsync'
  | 'fdatasync'
  | 'fallocate'
  | 'ftruncate'
  | 'truncate'
  | 'copy_file_range'
  | 'lseek'
  | 'mkdirat'
  | 'mknodat'
  | 'symlinkat'
  | 'linkat'
  | 'unlinkat'
  | 'renameat2'
  | 'readlinkat'
  | 'fchmod'
  | 'fchmodat'
  | 'fchown'
  | 'fchownat'
  | 'utimensat'
  | 'setxattr'
  | 'getxattr'
  | 'listxattr'
  | 'removexattr'
  | 'fsetxattr'
  | 'fgetxattr'
  | 'flistxattr'
  | 'fremovexattr'
  | 'fcntl'
  | 'flock'
  | 'ioctl'
  | 'name_to_handle_at'
  | 'open_by_handle_at'
  | 'statx'
  | 'mount'
  | 'umount2'
  | 'socketpair'
  | 'dup'
  | 'dup3'
  | 'syncfs'
  | 'sync_file_range'
  | 'sched_setaffinity'
  | 'sched_getaffinity'
  | 'ppoll'
  | 'prctl'
  | 'setrlimit'
  | 'prlimit64'
  | 'pidfd_open'
  | 'geteuid'
  | 'getegid'
  | 'faccessat'
  | 'unshare'
  | 'setns'
  | 'umask'
  | 'fanotify_init'
  | 'fanotify_mark'
  | 'eventfd2'
  | 'kill'
  | 'open_tree'
  | 'move_mount'
  | 'fsopen'
  | 'fsconfig'
  | 'fsmount'
  | 'fspick'
  | 'faccessat2'
  | 'mount_setattr'
  | 'fchmodat2'
export type Constant =
  | 'O_RDONLY'
  | 'O_WRONLY'
  | 'O_RDWR'
  | 'O_CREAT'
  | 'O_EXCL'
  | 'O_NOCTTY'
  | 'O_TRUNC'
  | 'O_APPEND'
  | 'O_NONBLOCK'
  | 'O_DSYNC'
  | 'O_SYNC'
  | 'O_DIRECTORY'
  | 'O_NOFOLLOW'
  | 'O_CLOEXEC'
  | 'O_PATH'
  | 'O_TMPFILE'
  | 'O_DIRECT'
  | 'O_LARGEFILE'
  | 'O_NOATIME'
  | 'O_ACCMODE'
  | 'AT_FDCWD'
  | 'AT_SYMLINK_NOFOLLOW'
  | 'AT_SYMLINK_FOLLOW'
  | 'AT_REMOVEDIR'
  | 'AT_EMPTY_PATH'
  | 'AT_NO_AUTOMOUNT'
  | 'S_IFMT'
  | 'S_IFREG'
  | 'S_IFDIR'
  | 'S_IFLNK'
  | 'S_IFCHR'
  | 'S_IFBLK'
  | 'S_IFIFO'
  | 'S_IFSOCK'
  | 'S_ISUID'
  | 'S_ISGID'
  | 'S_ISVTX'
  | 'SEEK_SET'
  | 'SEEK_DATA'
  | 'SEEK_HOLE'
  | 'RENAME_NOREPLACE'
  | 'RENAME_EXCHANGE'
  | 'RENAME_WHITEOUT'
  | 'UTIME_NOW'
  | 'UTIME_OMIT'
  | 'F_OFD_GETLK'
  | 'F_OFD_SETLK'
  | 'F_OFD_SETLKW'
  | 'F_RDLCK'
  | 'F_WRLCK'
  | 'F_UNLCK'
  | 'LOCK_SH'
  | 'LOCK_EX'
  | 'LOCK_NB'
  | 'LOCK_UN'
  | 'MS_RDONLY'
  | 'MS_NOSUID'
  | 'MS_NODEV'
  | 'MS_NOEXEC'
  | 'MS_SYNCHRONOUS'
  | 'MS_NOATIME'
  | 'MS_DIRSYNC'
  | 'MS_NODIRATIME'
  | 'MS_RELATIME'
  | 'MS_STRICTATIME'
  | 'MNT_FORCE'
  | 'MNT_DETACH'
  | 'UMOUNT_NOFOLLOW'
  | 'FALLOC_FL_KEEP_SIZE'
  | 'AF_UNIX'
  | 'SOCK_STREAM'
  | 'SOCK_CLOEXEC'
  | 'F_GETFL'
  | 'F_DUPFD_CLOEXEC'
  | 'F_SETFL'
  | 'F_GETFD'
  | 'F_SETFD'
  | 'F_SETPIPE_SZ'
  | 'FD_CLOEXEC'
  | 'XATTR_CREATE'
  | 'XATTR_REPLACE'
  | 'STATX_ATTR_IMMUTABLE'
  | 'STATX_ATTR_APPEND'
  | 'FS_IOC_GETFLAGS'
  | 'FS_IOC_SETFLAGS'
  | 'FS_IOC_GETVERSION'
  | 'FS_IOC_FSGETXATTR'
  | 'FS_IOC_FSSETXATTR'
  | 'FUSE_DEV_IOC_CLONE'
export type ErrnoName =
  | 'EPERM'
  | 'ENOENT'
  | 'ESRCH'
  | 'EINTR'
  | 'EIO'
  | 'ENXIO'
  | 'E2BIG'
  | 'EBADF'
  | 'EAGAIN'
  | 'ENOMEM'
  | 'EACCES'
  | 'EFAULT'
  | 'ENOTBLK'
  | 'EBUSY'
  | 'EEXIST'
  | 'EXDEV'
  | 'ENODEV'
  | 'ENOTDIR'
  | 'EISDIR'
  | 'EINVAL'
  | 'ENFILE'
  | 'EMFILE'
  | 'ENOTTY'
  | 'ETXTBSY'
  | 'EFBIG'
  | 'ENOSPC'
  | 'ESPIPE'
  | 'EROFS'
  | 'EMLINK'
  | 'EPIPE'
  | 'EDOM'
  | 'ERANGE'
  | 'EDEADLK'
  | 'ENAMETOOLONG'
  | 'ENOLCK'
  | 'ENOSYS'
  | 'ENOTEMPTY'
  | 'ELOOP'
  | 'ENODATA'
  | 'ETIME'
  | 'EREMOTEIO'
  | 'EPROTO'
  | 'EBADMSG'
  | 'EOVERFLOW'
  | 'EILSEQ'
  | 'EUSERS'
  | 'ENOTSUP'
  | 'EOPNOTSUPP'
  | 'ESTALE'
  | 'EDQUOT'
  | 'ECANCELED'
  | 'ENOKEY'
  | 'EKEYEXPIRED'
  | 'ENOTCONN'
  | 'ETIMEDOUT'
  | 'ECONNREFUSED'
  | 'ECONNRESET'
  | 'ECONNABORTED'
  | 'EHOSTUNREACH'
  | 'ENETUNREACH'
  | 'EREMOTE'
  | 'EMSGSIZE'
  | 'ENOMEDIUM'
  | 'ECOMM'

const path = fileURLToPath(new URL('../build/native.node', import.meta.url))

type Addon = Omit<
  Native,
  'syscall' | 'syscallAs' | 'statAt' | 'openAt' | 'closeSoon' | 'closeNow' | 'closing'
> & {
  caller(kind: number, control: Uint8Array): () => void
}

function load(): Addon {
  // As require() does it, without a search for what is known.
  const module = { exports: {} as Addon }
  try {
    process.dlopen(module, path)
    return module.exports
  } catch (error) {
    throw new Error(
      `cannot load the FUSE addon ${path}: ${(error as Error).message}; build it with \`npm run build\` (needs a C compiler)`,
    )
  }
}

// Objects that the addon made are hash tables; their copies have fast properties.
const addon = load()
const SYSCALL = 0
const SYSCALL_AS = 1
const STAT_AT = 2
const OPEN_AT = 3
const RESULT = 0

const CACHE_LINE = 64
let hot = new ArrayBuffer(4096)
let hotUsed = 0
/** Zeroed memory that every request touches lies together: each page more is one more to miss after a switch to the kernel. */
export function hotMemory(bytes: number): [buffer: ArrayBuffer, offset: number] {
  if (hotUsed + bytes > hot.byteLength) {
    hot = new ArrayBuffer(Math.max(hot.byteLength, bytes))
    hotUsed = 0
  }
  const at = hotUsed
  hotUsed += Math.ceil(bytes / CACHE_LINE) * CACHE_LINE
  return [hot, at]
}

const CALL_FIELDS = 14
export function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
}

/** A native function whose arguments and result lie in memory, from index 1 and at 0. */
function caller(kind: number): { control: Float64Array; call: () => void } {
  const control = new Float64Array(...hotMemory(CALL_FIELDS * 8), CALL_FIELDS)
  return { control, call: addon.caller(kind, bytesOf(control)) }
}

const { control: s, call: callSyscall } = caller(SYSCALL)
function syscall(number: number, a0 = 0, a1 = 0, a2 = 0, a3 = 0, a4 = 0, a5 = 0): number {
  s[1] = number
  s[2] = a0
  s[3] = a1
  s[4] = a2
  s[5] = a3
  s[6] = a4
  s[7] = a5
  callSyscall()
  return s[RESULT]
}

const { control: as, call: callAs } = caller(SYSCALL_AS)
function syscallAs(
  uid: number,
  gid: number,
  groups: Address,
  groupCount: number,
  umask: number,
  number: number,
  a0: number,
  a1: number,
  a2: number,
  a3: number,
  attr: Address = 0,
  identity: Address = 0,
  handle = 0,
): number {
  as[1] = uid
  as[2] = gid
  as[3] = groups
  as[4] = groupCount
  as[5] = umask
  as[6] = number
  as[7] = a0
  as[8] = a1
  as[9] = a2
  as[10] = a3
  as[11] = attr
  as[12] = identity
  as[13] = handle
  callAs()
  return as[RESULT]
}

const { control: st, call: callStat } = caller(STAT_AT)
function statAt(
  directory: number,
  path: Address,
  flags: number,
  attr: Address,
  identity: Address,
  handle: number,
): number {
  st[1] = directory
  st[2] = path
  st[3] = flags
  st[4] = attr
  st[5] = identity
  st[6] = handle
  callStat()
  return st[RESULT]
}

const { control: op, call: callOpen } = caller(OPEN_AT)
function openAt(
  directory: number,
  path: Address,
  flags: number,
  attr: Address,
  identity: Address,
  handle: number,
): number {
  op[1] = directory
  op[2] = path
  op[3] = flags
  op[4] = attr
  op[5] = identity
  op[6] = handle
  callOpen()
  return op[RESULT]
}

/** Descriptors that wait to be closed: their number, then they. */
const CLOSING_MAX = 31
const closing = new Int32Array(...hotMemory((CLOSING_MAX + 1) * 4), CLOSING_MAX + 1)
function closeSoon(fd: number): void {
  if (closing[0] === CLOSING_MAX) closeNow()
  closing[++closing[0]] = fd
}
function closeNow(): void {
  while (closing[0] > 0) syscall(addon.sys.close, closing[closing[0]--])
}

export const native: Native = {
  ...addon,
  syscall,
  syscallAs,
  statAt,
  openAt,
  closeSoon,
  closeNow,
  closing: addon.address(bytesOf(closing)),
}
export const sys: Native['sys'] = { ...addon.sys }
export const constants: Native['constants'] = { ...addon.constants }
export const errno: Native['errno'] = { ...addon.errno }
