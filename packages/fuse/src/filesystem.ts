import type {
  AccessRequest,
  AttrReply,
  BmapReply,
  BmapRequest,
  BytesReply,
  CopyFileRangeRequest,
  CopyReply,
  CreateReply,
  CreateRequest,
  DirectoryReply,
  EntryReply,
  FallocateRequest,
  FlushRequest,
  FsyncRequest,
  GetattrRequest,
  GetxattrRequest,
  IoctlReply,
  IoctlRequest,
  LinkRequest,
  ListxattrRequest,
  LockReply,
  LockRequest,
  LookupRequest,
  LseekReply,
  LseekRequest,
  MkdirRequest,
  MknodRequest,
  OpenReply,
  OpenRequest,
  PollReply,
  PollRequest,
  ReaddirRequest,
  ReadReply,
  ReadRequest,
  ReleaseRequest,
  RemovexattrRequest,
  RenameRequest,
  Reply,
  Request,
  SetattrRequest,
  SetxattrRequest,
  StatfsReply,
  StatxReply,
  StatxRequest,
  SymlinkRequest,
  UnlinkRequest,
  WriteReply,
  WriteRequest,
  XattrReply,
} from './protocol/index.js'

/** What a handler returns: nothing, when it has answered; or a promise of that, and is then answered out of order. */
export type Result = void | PromiseLike<void>

/**
 * A file system as the kernel sees it: one method an operation, each optional. What is missing is answered ENOSYS, and for
 * most operations the kernel does not ask again.
 *
 * A handler fills its reply, or calls `reply.fail(errno)`, or throws a FilesystemError; anything else that is thrown is EIO
 * and a line in the log. Request and reply are valid until the handler returns or its promise settles.
 */
export interface Filesystem {
  /** Called once, when the kernel's INIT has been answered. */
  init?(host: Host): void
  /** Called once, when the mount has ended. */
  destroy?(): Result
  lookup?(request: LookupRequest, reply: EntryReply): Result
  /** The kernel gives back `count` references to a node: each EntryReply and CreateReply gave one. */
  forget?(nodeId: number, count: number): void
  getattr?(request: GetattrRequest, reply: AttrReply): Result
  /** statx(2) with a birth time; what is missing falls back to getattr. */
  statx?(request: StatxRequest, reply: StatxReply): Result
  setattr?(request: SetattrRequest, reply: AttrReply): Result
  readlink?(request: Request, reply: BytesReply): Result
  symlink?(request: SymlinkRequest, reply: EntryReply): Result
  mknod?(request: MknodRequest, reply: EntryReply): Result
  mkdir?(request: MkdirRequest, reply: EntryReply): Result
  unlink?(request: UnlinkRequest, reply: Reply): Result
  rmdir?(request: UnlinkRequest, reply: Reply): Result
  rename?(request: RenameRequest, reply: Reply): Result
  link?(request: LinkRequest, reply: EntryReply): Result
  open?(request: OpenRequest, reply: OpenReply): Result
  read?(request: ReadRequest, reply: ReadReply): Result
  write?(request: WriteRequest, reply: WriteReply): Result
  /** Each close(2) of a descriptor; its errors reach the caller of close(2). */
  flush?(request: FlushRequest, reply: Reply): Result
  /** The last close; no one sees its errors. */
  release?(request: ReleaseRequest, reply: Reply): Result
  fsync?(request: FsyncRequest, reply: Reply): Result
  statfs?(request: Request, reply: StatfsReply): Result
  setxattr?(request: SetxattrRequest, reply: Reply): Result
  getxattr?(request: GetxattrRequest, reply: XattrReply): Result
  listxattr?(request: ListxattrRequest, reply: XattrReply): Result
  removexattr?(request: RemovexattrRequest, reply: Reply): Result
  opendir?(request: OpenRequest, reply: OpenReply): Result
  readdir?(request: ReaddirRequest, reply: DirectoryReply): Result
  readdirplus?(request: ReaddirRequest, reply: DirectoryReply): Result
  releasedir?(request: ReleaseRequest, reply: Reply): Result
  fsyncdir?(request: FsyncRequest, reply: Reply): Result
  getlk?(request: LockRequest, reply: LockReply): Result
  /** EAGAIN where another lock is in the way. */
  setlk?(request: LockRequest, reply: Reply): Result
  /** Waits; also used to unlock. `request.signal` fires when the waiter gives up. */
  setlkw?(request: LockRequest, reply: Reply): Result
  /** access(2); not asked with default_permissions. */
  access?(request: AccessRequest, reply: Reply): Result
  create?(request: CreateRequest, reply: CreateReply): Result
  /** An unnamed file in a directory (O_TMPFILE). */
  tmpfile?(request: CreateRequest, reply: CreateReply): Result
  bmap?(request: BmapRequest, reply: BmapReply): Result
  ioctl?(request: IoctlRequest, reply: IoctlReply): Result
  poll?(request: PollRequest, reply: PollReply): Result
  fallocate?(request: FallocateRequest, reply: Reply): Result
  lseek?(request: LseekRequest, reply: LseekReply): Result
  copyFileRange?(request: CopyFileRangeRequest, reply: CopyReply): Result
  syncfs?(request: Request, reply: Reply): Result
}

/** What a front end (FUSE; later NFS and a stream) offers a file system. */
export interface Host {
  readonly notifier: Notifier
  /** Whether `ReadReply.descriptor` sends bytes without copying them through JavaScript. */
  readonly descriptorReplies: boolean
  /**
   * Lets the kernel read and write this descriptor's file itself; the id goes into OpenReply.backingId. Undefined where
   * that is not offered; negative errno where it failed for this file.
   */
  openBacking(fd: number): number | undefined
  closeBacking(id: number): void
  log(level: 'error' | 'warn' | 'info' | 'debug', message: string): void
}

/**
 * Tells the kernel of changes that it did not make itself. Everything is queued and sent in order by another thread, so a
 * handler may notify about the very file that it works on: nothing here waits for an answer, and nothing can deadlock.
 * What the kernel does not have cached is no error.
 */
export interface Notifier {
  /** Drops a file's cached attributes and `length` bytes of its pages from `offset`; length 0: to the end. */
  invalidateInode(nodeId: number, offset?: number, length?: number): void
  invalidateAttributes(nodeId: number): void
  /** Drops a name, so that it is looked up again. */
  invalidateEntry(parent: number, name: string | Uint8Array): void
  /** As invalidateEntry, but leaves what is mounted or open there in place. */
  expireEntry(parent: number, name: string | Uint8Array): void
  /** A name is gone: as a local unlink, with its inotify events. */
  deleteEntry(parent: number, child: number, name: string | Uint8Array): void
  /** Puts bytes into the page cache. */
  store(nodeId: number, offset: number, data: Uint8Array): void
  /** Gets up to `size` bytes that the page cache has. Not to be awaited by a handler: what was queued before may wait for that handler. */
  retrieve(nodeId: number, offset: number, size: number): Promise<Buffer>
  /** A file that PollRequest asked about is ready. */
  poll(pollHandle: number): void
  /** Asks for every unanswered request once more, after a server took over (HAS_RESEND). */
  resend(): void
  /** Expires every name and directory listing at once. */
  incrementEpoch(): void
  /** Asks the kernel to forget nodes that nobody uses. */
  prune(nodeIds: readonly number[]): void
  /** Settles when the kernel has taken everything that was queued. Not to be awaited by a handler, as `retrieve`. */
  flush(): Promise<void>
}
