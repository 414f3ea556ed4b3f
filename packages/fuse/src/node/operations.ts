import type { Host } from '../filesystem.js'
import type {
  AccessRequest,
  Attributes,
  BmapReply,
  BmapRequest,
  CopyFileRangeRequest,
  CopyReply,
  CreateReply,
  CreateRequest,
  DirectoryReply,
  FallocateRequest,
  FlushRequest,
  FsyncRequest,
  GetxattrRequest,
  IoctlReply,
  IoctlRequest,
  LinkRequest,
  ListxattrRequest,
  LockReply,
  LockRequest,
  LseekReply,
  LseekRequest,
  MkdirRequest,
  MknodRequest,
  Name,
  OpenReply,
  OpenRequest,
  PollReply,
  PollRequest,
  ReaddirRequest,
  ReadReply,
  ReadRequest,
  ReleaseRequest,
  RenameRequest,
  Reply,
  Request,
  SetattrRequest,
  SetxattrRequest,
  StatfsReply,
  StatxReply,
  StatxRequest,
  SymlinkRequest,
  WriteReply,
  WriteRequest,
  XattrReply,
} from '../protocol/index.js'

export type Maybe<T> = T | PromiseLike<T>
/** A value or nothing, now or later. */
export type Optional<T> = Maybe<T | undefined> | Maybe<void>

/** What the kernel calls nodeids: which nodes it refers to, and how often. */
export interface NodeTable<N> {
  /** Live nodes. */
  readonly size: number
  get(nodeId: number): N | undefined
  /** Counts one more reference of the kernel's and returns the nodeid. */
  remember(node: N): number
  /** Tells uses of one nodeid apart. */
  generation(nodeId: number): number
  forget(nodeId: number, count: number): void
}

/** What the kernel calls file handles. */
export interface HandleTable<H> {
  readonly size: number
  open(handle: H): number
  get(fh: number): H | undefined
  close(fh: number): void
}

/** An entry of a directory as `readdir` lists it. */
export interface Dirent {
  name: string | Uint8Array
  ino: number
  /** S_IF* type bits; 0 where unknown. */
  type: number
}

/**
 * A file system of nodes: files, directories, symlinks that may have several names. NodeFilesystem keeps their nodeids,
 * reference counts, handles and directory snapshots. Every operation but lookup and getattr is optional; a missing one is
 * answered ENOSYS. Operations may return promises. What fails throws a FilesystemError, or calls `reply.fail` where it has one.
 */
export interface NodeOperations<N, H> {
  init?(host: Host): void
  destroy?(): Maybe<void>
  /** The node of a name, its attributes filled in; undefined: there is none. */
  lookup(parent: N, name: Name, attr: Attributes, request: Request): Maybe<N | undefined>
  getattr(node: N, attr: Attributes, request: Request, handle: H | undefined): Maybe<void>
  statx?(node: N, request: StatxRequest, reply: StatxReply, handle: H | undefined): Maybe<void>
  /** Changes what `request.valid` names, then fills in all attributes. */
  setattr?(node: N, request: SetattrRequest, attr: Attributes, handle: H | undefined): Maybe<void>
  readlink?(node: N, request: Request): Maybe<string | Uint8Array>
  symlink?(parent: N, request: SymlinkRequest, attr: Attributes): Maybe<N>
  mknod?(parent: N, request: MknodRequest, attr: Attributes): Maybe<N>
  mkdir?(parent: N, request: MkdirRequest, attr: Attributes): Maybe<N>
  link?(target: N, newParent: N, request: LinkRequest, attr: Attributes): Maybe<N>
  unlink?(parent: N, name: Name, request: Request): Maybe<void>
  rmdir?(parent: N, name: Name, request: Request): Maybe<void>
  rename?(parent: N, newParent: N, request: RenameRequest): Maybe<void>
  /** Opens a file; the handle comes back with every use. `reply` takes OpenFlags and a backing id. */
  open?(node: N, request: OpenRequest, reply: OpenReply): Maybe<H>
  /** Creates and opens a file, its attributes filled in. */
  create?(parent: N, request: CreateRequest, reply: CreateReply): Maybe<{ node: N; handle: H }>
  tmpfile?(parent: N, request: CreateRequest, reply: CreateReply): Maybe<{ node: N; handle: H }>
  read?(node: N, handle: H | undefined, request: ReadRequest, reply: ReadReply): Maybe<void>
  write?(node: N, handle: H | undefined, request: WriteRequest, reply: WriteReply): Maybe<void>
  flush?(node: N, handle: H | undefined, request: FlushRequest, reply: Reply): Maybe<void>
  release?(node: N, handle: H, request: ReleaseRequest): Maybe<void>
  fsync?(node: N, handle: H | undefined, request: FsyncRequest): Maybe<void>
  opendir?(node: N, request: OpenRequest, reply: OpenReply): Maybe<H>
  /** All entries; '.' and '..' may be missing, or tell their inode numbers. A snapshot is kept for as long as the directory is open or until it is rewound. */
  readdir?(node: N, handle: H | undefined, request: Request): Maybe<Iterable<Dirent>>
  /** Lists with offsets of its own instead, which stay good for ever; `plus` asks for nodes. Replaces readdir. */
  readdirRaw?(node: N, handle: H, request: ReaddirRequest, reply: DirectoryReply, plus: boolean): Maybe<void>
  releasedir?(node: N, handle: H, request: ReleaseRequest): Maybe<void>
  fsyncdir?(node: N, handle: H | undefined, request: FsyncRequest): Maybe<void>
  statfs?(node: N, request: Request, reply: StatfsReply): Maybe<void>
  setxattr?(node: N, request: SetxattrRequest): Maybe<void>
  getxattr?(node: N, name: Name, request: GetxattrRequest, reply: XattrReply): Maybe<void>
  listxattr?(node: N, request: ListxattrRequest, reply: XattrReply): Maybe<void>
  removexattr?(node: N, name: Name, request: Request): Maybe<void>
  access?(node: N, request: AccessRequest): Maybe<void>
  getlk?(node: N, handle: H, request: LockRequest, reply: LockReply): Maybe<void>
  setlk?(node: N, handle: H, request: LockRequest, wait: boolean): Maybe<void>
  bmap?(node: N, request: BmapRequest, reply: BmapReply): Maybe<void>
  ioctl?(node: N, handle: H | undefined, request: IoctlRequest, reply: IoctlReply): Maybe<void>
  poll?(node: N, handle: H | undefined, request: PollRequest, reply: PollReply): Maybe<void>
  fallocate?(node: N, handle: H, request: FallocateRequest): Maybe<void>
  lseek?(node: N, handle: H, request: LseekRequest, reply: LseekReply): Maybe<void>
  copyFileRange?(from: H, to: H, request: CopyFileRangeRequest, reply: CopyReply): Maybe<void>
  syncfs?(node: N, request: Request): Maybe<void>
}
