import { FuseError } from '../errors.js'
import type { Filesystem } from '../filesystem.js'
import {
  InitFlag,
  InitFlag2,
  type InitReply,
  type InitRequest,
  KERNEL_MINOR,
  KERNEL_VERSION,
  OLDEST_MINOR,
  PAGE_SIZE,
} from '../protocol/index.js'

/** What a file system wants of the kernel; each is asked for only where the kernel offers it. */
export interface Features {
  /** Highest protocol minor to speak, 31 … 45. Default 45. */
  minor?: number
  /** Bytes of one WRITE or READ, 4 KiB … 1 MiB (more where fs.fuse.max_pages_limit allows). Default 1 MiB. */
  maxWrite?: number
  /** Bytes that the kernel reads ahead; it caps this itself. Default 1 MiB. */
  maxReadahead?: number
  /** Readahead and write-back requests in flight. Default 64. */
  maxBackground?: number
  /** Kernel-side listing with attributes: 'auto' switches by use. Default 'auto' where the file system has readdirplus. */
  readdirplus?: 'auto' | 'always' | 'never'
  /** write(2) ends in the page cache; the kernel then owns size and mtime. Default false. */
  writebackCache?: boolean
  /** 'auto': changed mtime or size drops cached pages, at the cost of a GETATTR when attributes are stale; 'explicit': only notifications do. Default 'auto'. */
  invalidation?: 'auto' | 'explicit'
  /** fcntl(2) locks are asked of the file system. Default: where it has setlk. */
  posixLocks?: boolean
  /** flock(2) likewise. */
  flockLocks?: boolean
  /** The kernel enforces POSIX ACLs kept in system.posix_acl_* attributes. Default false. */
  posixAcl?: boolean
  /** The file system clears set-id bits on write, truncate and chown when told to: saves a GETXATTR a write. Default false. */
  handleKillPriv?: boolean
  /** The file system applies the umask. Default false. */
  dontMask?: boolean
  /** O_TRUNC comes with OPEN, not as a SETATTR. Default false. */
  atomicTruncate?: boolean
  /** LOOKUP of '.' and '..' by node: the mount may be exported by NFS. Default false. */
  exportSupport?: boolean
  /** Symlink targets are kept as long as attributes. Default true. */
  cacheSymlinks?: boolean
  /** LOOKUP and READDIR of one directory at the same time. Default true. */
  parallelDirops?: boolean
  /** Reads and writes of descriptors given to `Host.openBacking` are the kernel's. Default false. */
  kernelPassthrough?: boolean
  /** Layers of stacked file systems beneath that the kernel may pass through to: 1 or 2. Default 1. */
  maxStackDepth?: 1 | 2
  /** Security labels come with creations. Default false. */
  securityContexts?: boolean
  /** Creations name the supplementary group that matters for set-group-ID directories. Default false. */
  supplementaryGroup?: boolean
  /** The mount may be idmapped; needs default_permissions. Default false. */
  idmap?: boolean
  /** Shared mmap of files opened with DIRECT_IO. Default true. */
  directIoMmap?: boolean
  /** Seconds after which the kernel aborts the connection over an unanswered request; 0: never. Default 0. */
  requestTimeout?: number
}

const F = InitFlag
const F2 = InitFlag2

/** Answers what the kernel offers with what the file system wants. */
export function negotiate(offer: InitRequest, filesystem: Filesystem, wanted: Features): InitReply {
  if (offer.major !== KERNEL_VERSION || offer.minor < OLDEST_MINOR)
    throw new FuseError(
      'FUSE_PROTOCOL',
      `the kernel speaks FUSE ${offer.major}.${offer.minor}; ${KERNEL_VERSION}.${OLDEST_MINOR} (Linux 5.4) is the oldest that is served`,
    )
  const minor = Math.min(offer.minor, wanted.minor ?? KERNEL_MINOR)
  if (minor < OLDEST_MINOR) throw new FuseError('FUSE_OPTION', `minor ${minor} is below ${OLDEST_MINOR}`)
  const listing = wanted.readdirplus ?? 'auto'
  const plus = filesystem.readdirplus !== undefined && listing !== 'never'
  const locks = filesystem.setlk !== undefined
  let flags = F.ASYNC_READ | F.BIG_WRITES | F.ASYNC_DIO | F.ABORT_ERROR | F.MAX_PAGES | F.HAS_IOCTL_DIR
  const want = (condition: boolean, flag: number) => {
    if (condition) flags |= flag
  }
  want(filesystem.open === undefined, F.NO_OPEN_SUPPORT)
  want(filesystem.opendir === undefined, F.NO_OPENDIR_SUPPORT)
  want(wanted.posixLocks ?? locks, F.POSIX_LOCKS)
  want(wanted.flockLocks ?? locks, F.FLOCK_LOCKS)
  want(wanted.atomicTruncate ?? false, F.ATOMIC_O_TRUNC)
  want(wanted.exportSupport ?? false, F.EXPORT_SUPPORT)
  want(wanted.dontMask ?? false, F.DONT_MASK)
  want((wanted.invalidation ?? 'auto') === 'auto', F.AUTO_INVAL_DATA)
  want(wanted.invalidation === 'explicit', F.EXPLICIT_INVAL_DATA)
  want(plus, F.DO_READDIRPLUS)
  want(plus && listing === 'auto', F.READDIRPLUS_AUTO)
  want(wanted.writebackCache ?? false, F.WRITEBACK_CACHE)
  want(wanted.parallelDirops ?? true, F.PARALLEL_DIROPS)
  want(wanted.posixAcl ?? false, F.POSIX_ACL)
  want(wanted.cacheSymlinks ?? true, F.CACHE_SYMLINKS)
  want(wanted.handleKillPriv ?? false, F.HANDLE_KILLPRIV_V2)
  if (minor >= 33) flags |= F.SETXATTR_EXT
  let flags2 = 0
  if (minor >= 36 && (offer.flags & F.INIT_EXT) !== 0) {
    flags |= F.INIT_EXT
    const want2 = (condition: boolean, flag: number) => {
      if (condition) flags2 |= flag
    }
    want2(wanted.securityContexts ?? false, F2.SECURITY_CTX)
    want2(wanted.supplementaryGroup ?? false, F2.CREATE_SUPP_GROUP)
    want2(true, F2.HAS_EXPIRE_ONLY)
    want2(wanted.directIoMmap ?? true, F2.DIRECT_IO_ALLOW_MMAP)
    // The kernel refuses both together, and its write-back cache would hide what passes through.
    want2((wanted.kernelPassthrough ?? false) && !wanted.writebackCache, F2.PASSTHROUGH)
    want2(!wanted.exportSupport, F2.NO_EXPORT_SUPPORT)
    want2(true, F2.HAS_RESEND)
    want2(wanted.idmap ?? false, F2.ALLOW_IDMAP)
    want2((wanted.requestTimeout ?? 0) > 0, F2.REQUEST_TIMEOUT)
    flags2 &= offer.flags2
  }
  flags &= offer.flags
  const maxWrite = Math.max(PAGE_SIZE, wanted.maxWrite ?? 1 << 20)
  const maxBackground = wanted.maxBackground ?? 64
  return {
    minor,
    maxReadahead: Math.min(offer.maxReadahead, wanted.maxReadahead ?? 1 << 20),
    flags,
    flags2,
    maxBackground,
    congestionThreshold: Math.max(1, (maxBackground * 3) >> 2),
    maxWrite,
    timeGranularity: 1,
    maxPages: Math.ceil(maxWrite / PAGE_SIZE),
    maxStackDepth: (flags2 & F2.PASSTHROUGH) !== 0 ? (wanted.maxStackDepth ?? 1) : 0,
    requestTimeout: (flags2 & F2.REQUEST_TIMEOUT) !== 0 ? (wanted.requestTimeout ?? 0) : 0,
  }
}
