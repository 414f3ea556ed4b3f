// Numbers of the FUSE protocol, version 7.45 (include/uapi/linux/fuse.h of Linux 6.18).

export const KERNEL_VERSION = 7
export const KERNEL_MINOR = 45
/** The oldest minor that is served: 7.31, Linux 5.4. */
export const OLDEST_MINOR = 31
export const ROOT_ID = 1

export const Opcode = {
  LOOKUP: 1,
  FORGET: 2,
  GETATTR: 3,
  SETATTR: 4,
  READLINK: 5,
  SYMLINK: 6,
  MKNOD: 8,
  MKDIR: 9,
  UNLINK: 10,
  RMDIR: 11,
  RENAME: 12,
  LINK: 13,
  OPEN: 14,
  READ: 15,
  WRITE: 16,
  STATFS: 17,
  RELEASE: 18,
  FSYNC: 20,
  SETXATTR: 21,
  GETXATTR: 22,
  LISTXATTR: 23,
  REMOVEXATTR: 24,
  FLUSH: 25,
  INIT: 26,
  OPENDIR: 27,
  READDIR: 28,
  RELEASEDIR: 29,
  FSYNCDIR: 30,
  GETLK: 31,
  SETLK: 32,
  SETLKW: 33,
  ACCESS: 34,
  CREATE: 35,
  INTERRUPT: 36,
  BMAP: 37,
  DESTROY: 38,
  IOCTL: 39,
  POLL: 40,
  NOTIFY_REPLY: 41,
  BATCH_FORGET: 42,
  FALLOCATE: 43,
  READDIRPLUS: 44,
  RENAME2: 45,
  LSEEK: 46,
  COPY_FILE_RANGE: 47,
  SYNCFS: 50,
  TMPFILE: 51,
  STATX: 52,
  COPY_FILE_RANGE_64: 53,
} as const
export type OpcodeName = keyof typeof Opcode
export type Opcode = (typeof Opcode)[OpcodeName]

/** Operation names by number; undefined where the protocol has none. */
export const opcodeNames: readonly (OpcodeName | undefined)[] = Object.entries(Opcode).reduce<
  (OpcodeName | undefined)[]
>((names, [name, code]) => {
  names[code] = name as OpcodeName
  return names
}, new Array<OpcodeName | undefined>(64).fill(undefined))

/** Bits of INIT's 64-bit flags: the first word, and the second (`flags2`, valid with INIT_EXT). */
export const InitFlag = {
  ASYNC_READ: 1 << 0,
  POSIX_LOCKS: 1 << 1,
  FILE_OPS: 1 << 2,
  ATOMIC_O_TRUNC: 1 << 3,
  EXPORT_SUPPORT: 1 << 4,
  BIG_WRITES: 1 << 5,
  DONT_MASK: 1 << 6,
  SPLICE_WRITE: 1 << 7,
  SPLICE_MOVE: 1 << 8,
  SPLICE_READ: 1 << 9,
  FLOCK_LOCKS: 1 << 10,
  HAS_IOCTL_DIR: 1 << 11,
  AUTO_INVAL_DATA: 1 << 12,
  DO_READDIRPLUS: 1 << 13,
  READDIRPLUS_AUTO: 1 << 14,
  ASYNC_DIO: 1 << 15,
  WRITEBACK_CACHE: 1 << 16,
  NO_OPEN_SUPPORT: 1 << 17,
  PARALLEL_DIROPS: 1 << 18,
  HANDLE_KILLPRIV: 1 << 19,
  POSIX_ACL: 1 << 20,
  ABORT_ERROR: 1 << 21,
  MAX_PAGES: 1 << 22,
  CACHE_SYMLINKS: 1 << 23,
  NO_OPENDIR_SUPPORT: 1 << 24,
  EXPLICIT_INVAL_DATA: 1 << 25,
  MAP_ALIGNMENT: 1 << 26,
  SUBMOUNTS: 1 << 27,
  HANDLE_KILLPRIV_V2: 1 << 28,
  SETXATTR_EXT: 1 << 29,
  INIT_EXT: 1 << 30,
} as const

export const InitFlag2 = {
  SECURITY_CTX: 1 << 0,
  HAS_INODE_DAX: 1 << 1,
  CREATE_SUPP_GROUP: 1 << 2,
  HAS_EXPIRE_ONLY: 1 << 3,
  DIRECT_IO_ALLOW_MMAP: 1 << 4,
  PASSTHROUGH: 1 << 5,
  NO_EXPORT_SUPPORT: 1 << 6,
  HAS_RESEND: 1 << 7,
  ALLOW_IDMAP: 1 << 8,
  OVER_IO_URING: 1 << 9,
  REQUEST_TIMEOUT: 1 << 10,
} as const

/** Bits of open_flags in the reply to OPEN, OPENDIR and CREATE. */
export const OpenFlag = {
  DIRECT_IO: 1,
  KEEP_CACHE: 2,
  NONSEEKABLE: 4,
  CACHE_DIR: 8,
  STREAM: 16,
  NOFLUSH: 32,
  PARALLEL_DIRECT_WRITES: 64,
  PASSTHROUGH: 128,
} as const

/** Bit of open_flags in the request: clear set-user-ID and set-group-ID bits on O_TRUNC. */
export const OPEN_KILL_SUIDGID = 1

/** Which fields of SETATTR are valid. */
export const SetattrValid = {
  MODE: 1,
  UID: 2,
  GID: 4,
  SIZE: 8,
  ATIME: 16,
  MTIME: 32,
  FH: 64,
  ATIME_NOW: 128,
  MTIME_NOW: 256,
  LOCKOWNER: 512,
  CTIME: 1024,
  KILL_SUIDGID: 2048,
} as const

export const GETATTR_FH = 1
export const WriteFlag = { CACHE: 1, LOCKOWNER: 2, KILL_SUIDGID: 4 } as const
export const ReleaseFlag = { FLUSH: 1, FLOCK_UNLOCK: 2 } as const
export const FSYNC_DATASYNC = 1
export const LOCK_FLOCK = 1
export const SETXATTR_ACL_KILL_SGID = 1
export const IoctlFlag = {
  COMPAT: 1,
  UNRESTRICTED: 2,
  RETRY: 4,
  IS_32BIT: 8,
  DIR: 16,
  COMPAT_X32: 32,
} as const
export const POLL_SCHEDULE_NOTIFY = 1
export const INTERRUPT_UNIQUE_BIT = 1

export const Notification = {
  POLL: 1,
  INVAL_INODE: 2,
  INVAL_ENTRY: 3,
  STORE: 4,
  RETRIEVE: 5,
  DELETE: 6,
  RESEND: 7,
  INC_EPOCH: 8,
  PRUNE: 9,
} as const
export const ENTRY_EXPIRE_ONLY = 1

/** Types of request extensions: 1 to 31 count security contexts, 32 is one supplementary group list. */
export const EXTENSION_SECURITY_CONTEXTS_MAX = 31
export const EXTENSION_GROUPS = 32

/** ioctl(2) numbers of /dev/fuse. */
export const DeviceIoctl = {
  CLONE: 0x8004e500,
  BACKING_OPEN: 0x4010e501,
  BACKING_CLOSE: 0x4004e502,
  SYNC_INIT: 0xe503,
} as const

/** Byte sizes on the wire. */
export const IN_HEADER_SIZE = 40
export const OUT_HEADER_SIZE = 16
export const WRITE_IN_SIZE = 40
export const ENTRY_OUT_SIZE = 128
export const ATTR_OUT_SIZE = 104
export const ATTR_SIZE = 88
export const OPEN_OUT_SIZE = 16
/** The least buffer that read(2) on /dev/fuse accepts. */
export const MIN_READ_BUFFER = 8192
export const PAGE_SIZE = 4096
