import {
  type AccessRequest,
  type Attributes,
  type CopyFileRangeRequest,
  type CopyReply,
  type CreateReply,
  type CreateRequest,
  constants as c,
  checked,
  DirectoryEntryFields,
  type DirectoryReply,
  errno,
  type FallocateRequest,
  FilesystemError,
  type FlushRequest,
  type FsyncRequest,
  type GetxattrRequest,
  type Host,
  type IoctlReply,
  type IoctlRequest,
  type LinkRequest,
  type ListxattrRequest,
  type LockReply,
  type LockRequest,
  type LseekReply,
  type LseekRequest,
  type MkdirRequest,
  type MknodRequest,
  type Name,
  type NodeOperations,
  native,
  OpenFlag,
  type OpenReply,
  type OpenRequest,
  offload,
  offloadInterruptibly,
  PAYLOAD,
  type ReaddirRequest,
  type ReadReply,
  type ReadRequest,
  type ReleaseRequest,
  type RenameRequest,
  type Reply,
  type Request,
  type SetattrRequest,
  type SetxattrRequest,
  type StatfsReply,
  type StatxReply,
  type StatxRequest,
  type SymlinkRequest,
  sys,
  type WriteReply,
  type WriteRequest,
  type XattrReply,
} from '@hawser/fuse'
import { AttributeOperations } from './attributes.js'
import { ChangeWatcher } from './change-watcher.js'
import { Credentials } from './credentials.js'
import { DataOperations } from './data.js'
import { type FilesystemKind, filesystemKind } from './filesystem-kind.js'
import { IDENTITY_SIZE, Identities, Identity } from './identity.js'
import { inodeFlags } from './inode-flags.js'
import { LockOperations } from './locks.js'
import { memory, text } from './memory.js'
import { NameOperations } from './names.js'
import { FileState, OpenFiles } from './open-files.js'
import type { PassthroughOptions } from './options.js'
import { Resolver } from './resolver.js'
import type { SourceRoot } from './source-root.js'
import { XattrOperations } from './xattrs.js'

/** Entries of one READDIRPLUS at most. */
const LISTING_MAX = 1024
/** Open descriptors at most, where RLIMIT_NOFILE has no bound of its own. */
const DESCRIPTORS_MAX = 1 << 20
const RLIMIT_NOFILE = 7

/** Seconds that the kernel keeps names and attributes, by cache policy. */
export const TIMEOUTS = { never: 0, auto: 1, always: Number.POSITIVE_INFINITY } as const

/** A local directory as a file system. Nodes are numbers of the node table, handles are descriptors. */
export class Passthrough implements NodeOperations<number, number> {
  readonly resolver: Resolver
  readonly files: OpenFiles
  readonly credentials = new Credentials()
  readonly #options: PassthroughOptions
  readonly #attributes: AttributeOperations
  readonly #names: NameOperations
  readonly #data: DataOperations
  readonly #xattrs: XattrOperations
  readonly #locks: LockOperations
  readonly #listed = new Identities(LISTING_MAX)
  /** Backing ids of files that the kernel serves itself, by node; 0: not this one while it is open. */
  readonly #backing = new Map<number, number>()
  readonly #kind: FilesystemKind
  readonly #watcher: ChangeWatcher | undefined
  #host: Host | undefined

  constructor(root: SourceRoot, options: PassthroughOptions) {
    this.#options = options
    this.#kind = options.kind ?? filesystemKind(root.fd)
    this.resolver = new Resolver(root, options.submounts, this.#kind, options.watch === true)
    const { nodes } = this.resolver
    if (options.watch) this.#watcher = new ChangeWatcher(root, nodes)
    this.files = new OpenFiles(nodes, raiseDescriptorLimit())
    this.#attributes = new AttributeOperations(this.resolver, this.credentials, options)
    this.#names = new NameOperations(this.resolver, this.credentials)
    this.#data = new DataOperations(this.files, this.#attributes, this.credentials, this.#kind)
    this.#xattrs = new XattrOperations(this.resolver, this.credentials)
    this.#locks = new LockOperations(this.resolver)
    nodes.onFree = (node) => {
      const { cache } = this.resolver
      const large = cache.isLarge(node)
      const fd = cache.take(node)
      if (fd >= 0) this.#close(fd, large)
    }
    if (!options.xattr) this.#without('getxattr', 'setxattr', 'listxattr', 'removexattr')
    if (!options.forwardLocks) this.#without('getlk', 'setlk')
    if (options.readOnly) this.#refuseChanges()
  }

  #without(...operations: (keyof NodeOperations<number, number>)[]): void {
    for (const operation of operations) Object.defineProperty(this, operation, { value: undefined })
  }

  #refuseChanges(): void {
    const refuse = () => {
      throw new FilesystemError('EROFS')
    }
    for (const operation of [
      'setattr',
      'symlink',
      'mknod',
      'mkdir',
      'link',
      'unlink',
      'rmdir',
      'rename',
      'create',
      'tmpfile',
      'write',
      'fallocate',
      'copyFileRange',
      ...(this.#options.xattr ? ['setxattr', 'removexattr'] : []),
    ])
      Object.defineProperty(this, operation, { value: refuse })
  }

  /** The kernel's own reads and writes: files open through them now. */
  get kernelFiles(): number {
    return this.files.kernelSize
  }

  /** What the kernel was told of changes beneath; undefined: they are not watched. */
  get invalidations(): number | undefined {
    return this.#watcher?.invalidations
  }

  init(host: Host): void {
    this.#host = host
    this.#watcher?.start(host)
  }

  destroy(): void {
    this.#watcher?.close()
    native.closeNow()
    native.syscall(sys.close, this.resolver.root.fd)
  }

  lookup(parent: number, name: Name, attr: Attributes): number | undefined {
    const node = this.#names.lookup(parent, name, attr)
    if (node !== undefined) this.#attributes.show(attr)
    return node
  }
  getattr(node: number, attr: Attributes, _request: Request, fd: number | undefined): void {
    this.#attributes.get(node, attr, fd)
  }
  statx(node: number, request: StatxRequest, reply: StatxReply, fd: number | undefined): void {
    this.#attributes.statx(node, request, reply, fd)
  }
  setattr(
    node: number,
    request: SetattrRequest,
    attr: Attributes,
    fd: number | undefined,
  ): void | Promise<void> {
    return this.#attributes.set(node, request, attr, fd)
  }
  readlink(node: number, request: Request): Buffer {
    return this.#names.readlink(node, request)
  }
  symlink(parent: number, request: SymlinkRequest, attr: Attributes): number {
    return this.#shown(this.#names.symlink(parent, request, attr), attr)
  }
  mknod(parent: number, request: MknodRequest, attr: Attributes): number {
    return this.#shown(this.#names.mknod(parent, request, attr), attr)
  }
  mkdir(parent: number, request: MkdirRequest, attr: Attributes): number {
    return this.#shown(this.#names.mkdir(parent, request, attr), attr)
  }
  link(target: number, newParent: number, request: LinkRequest, attr: Attributes): number {
    return this.#shown(this.#names.link(target, newParent, request, attr), attr)
  }
  #shown(node: number, attr: Attributes): number {
    this.#attributes.show(attr)
    return node
  }
  unlink(parent: number, name: Name): void {
    this.#names.unlink(parent, name, 0)
  }
  rmdir(parent: number, name: Name): void {
    this.#names.unlink(parent, name, c.AT_REMOVEDIR)
  }
  rename(parent: number, newParent: number, request: RenameRequest): void {
    this.#names.rename(parent, newParent, request)
  }

  open(node: number, request: OpenRequest, reply: OpenReply): number | Promise<number> {
    const { resolver } = this
    const { flags } = request
    const writable = (flags & c.O_ACCMODE) !== c.O_RDONLY
    const truncates = (flags & c.O_TRUNC) !== 0
    if ((writable || truncates) && this.#options.readOnly) throw new FilesystemError('EROFS')
    if (truncates) this.credentials.keepSetId(!request.killSetId)
    const empties = truncates && writable
    const fd = resolver.open(node, empties ? flags & ~c.O_TRUNC : flags)
    if (fd === -errno.EAGAIN && (flags & c.O_NONBLOCK) === 0) return this.#openLater(node, request, reply)
    if (fd < 0) throw new FilesystemError(-fd)
    const { looked } = resolver
    if (empties) {
      try {
        const emptied = this.#attributes.empty(fd, looked, request)
        if (emptied)
          return emptied.then(
            () => this.#opened(fd, node, flags, reply, false),
            (error) => this.#failed(fd, error),
          )
      } catch (error) {
        this.#failed(fd, error)
      }
    }
    return this.#opened(fd, node, flags, reply, looked)
  }

  #failed(fd: number, error: unknown): never {
    native.syscall(sys.close, fd)
    throw error
  }

  /** Somebody beneath holds a lease: another thread waits until it is given back or broken (fcntl(2), F_SETLEASE). */
  async #openLater(node: number, request: OpenRequest, reply: OpenReply): Promise<number> {
    const { flags, signal } = request
    // A descriptor of its own: the cache may close its one meanwhile.
    const held = checked(native.syscall(sys.fcntl, this.resolver.pathFd(node), c.F_DUPFD_CLOEXEC, 0))
    const path = text(`/proc/self/fd/${held}`)
    const wanted = (flags & ~c.O_NOFOLLOW) | c.O_CLOEXEC
    const fd = await offloadInterruptibly(signal, path, sys.openat, c.AT_FDCWD, path.address, wanted, 0)
    native.syscall(sys.close, held)
    checked(fd)
    if (request.killSetId) this.#attributes.clearSetId(fd, request)
    return this.#opened(fd, node, flags, reply, false)
  }

  create(parent: number, request: CreateRequest, reply: CreateReply): { node: number; handle: number } {
    return this.#created(this.#names.create(parent, request, reply.entry.attr, false), request, reply)
  }
  tmpfile(parent: number, request: CreateRequest, reply: CreateReply): { node: number; handle: number } {
    return this.#created(this.#names.create(parent, request, reply.entry.attr, true), request, reply)
  }
  #created(
    made: { node: number; handle: number },
    request: CreateRequest,
    reply: CreateReply,
  ): { node: number; handle: number } {
    this.#attributes.show(reply.entry.attr)
    this.#opened(made.handle, made.node, request.flags, reply, true)
    return made
  }

  /**
   * Decides how the kernel treats an open file. Returns its descriptor.
   * @param looked whether `resolver.identity` is this file's
   */
  #opened(fd: number, node: number, flags: number, reply: OpenReply | CreateReply, looked: boolean): number {
    const writable = (flags & c.O_ACCMODE) !== c.O_RDONLY
    let state = writable ? FileState.WRITABLE : 0
    const backing = this.#backingId(fd, node, looked)
    if (backing > 0) {
      reply.backingId = backing
      reply.flags = OpenFlag.PASSTHROUGH
      state |= FileState.KERNEL
    } else if (this.#options.cache === 'never')
      reply.flags = OpenFlag.DIRECT_IO | OpenFlag.PARALLEL_DIRECT_WRITES
    else if (this.#options.cache === 'always') reply.flags = OpenFlag.KEEP_CACHE
    // Who cannot write has no write error to be told of at close; and only file systems on a network have any to tell then
    // (they alone have a flush operation; what local ones could not write, write(2) and fsync(2) have said).
    if ((!writable || this.#kind !== 'remote') && !this.#options.forwardLocks) reply.flags |= OpenFlag.NOFLUSH
    this.files.add(fd, node, flags & ~(c.O_CREAT | c.O_EXCL | c.O_NOCTTY | c.O_TRUNC), state)
    return fd
  }

  /** How an inode is served is fixed while it is open (fuse/iomode.c): all its opens pass through to one backing file, or none. */
  #backingId(fd: number, node: number, looked: boolean): number {
    if (!this.#options.kernelPassthrough || this.resolver.nodes.type(node) !== c.S_IFREG) return 0
    if (this.resolver.nodes.openCount(node) > 0) return this.#backing.get(node) ?? 0
    // The kernel writes with the privilege of this moment. Bits set while the file is open fall at any write, root's too;
    // a file that has them now is served here, where callers can be told apart.
    if (
      (!looked && this.resolver.stat(fd, 0, 0) < 0) ||
      this.resolver.identity.words[Identity.MODE] & (c.S_ISUID | c.S_ISGID)
    )
      return 0
    this.credentials.keepSetId(false)
    const id = this.#host?.openBacking(fd) ?? 0
    if (id <= 0) return 0
    this.#backing.set(node, id)
    return id
  }

  read(_node: number, fd: number | undefined, request: ReadRequest, reply: ReadReply): void {
    if (fd === undefined) return reply.fail(errno.EBADF)
    this.#data.read(fd, request, reply)
  }
  write(
    _node: number,
    fd: number | undefined,
    request: WriteRequest,
    reply: WriteReply,
  ): void | Promise<void> {
    if (fd === undefined) return reply.fail(errno.EBADF)
    return this.#data.write(fd, request, reply)
  }
  flush(node: number, fd: number | undefined, request: FlushRequest, reply: Reply): void | Promise<void> {
    if (fd === undefined) return reply.fail(errno.EBADF)
    if (this.#options.forwardLocks) this.#locks.flush(node, request.lockOwnerLow, request.lockOwnerHigh)
    return this.#data.flush(fd)
  }
  release(node: number, fd: number, request: ReleaseRequest): void {
    const { nodes } = this.resolver
    if (this.#options.forwardLocks) this.#locks.release(node, fd, request)
    if (nodes.openCount(node) === 1) {
      const backing = this.#backing.get(node)
      if (backing !== undefined) {
        this.#backing.delete(node)
        this.#host?.closeBacking(backing)
      }
    }
    this.#leave(node, fd)
  }

  /** Closes a handle. A file without a name lives by its descriptors: the last one is kept for as long as the kernel knows it. */
  #leave(node: number, fd: number): void {
    const { resolver } = this
    const { nodes, cache } = resolver
    const unnamed = nodes.isUnnamed(node)
    let large = unnamed && (resolver.stat(fd, 0, 0) < 0 || resolver.lookedLarge())
    if (unnamed && nodes.openCount(node) === 1 && nodes.isReferenced(node) && !cache.isPinned(node)) {
      let kept = cache.take(node)
      if (kept < 0) kept = resolver.call.reopen(fd, c.O_PATH)
      if (kept >= 0) {
        cache.pin(node, kept, large)
        large = false
      }
    }
    this.files.close(fd)
    this.#close(fd, large)
  }

  /** Closes a descriptor; where that may free a large file's blocks, by another thread. */
  #close(fd: number, large: boolean): void {
    // Where no thread can be had, this one waits.
    if (large || this.#kind === 'remote')
      offload(undefined, sys.close, fd).catch(() => native.syscall(sys.close, fd))
    else native.closeSoon(fd)
  }

  async fsync(_node: number, fd: number | undefined, request: FsyncRequest): Promise<void> {
    if (fd === undefined) throw new FilesystemError('EBADF')
    await this.#data.fsync(fd, request)
  }
  fsyncdir(node: number, fd: number | undefined, request: FsyncRequest): Promise<void> {
    return this.fsync(node, fd, request)
  }
  fallocate(_node: number, fd: number, request: FallocateRequest): Promise<void> {
    return this.#data.allocate(fd, request)
  }
  lseek(_node: number, fd: number, request: LseekRequest, reply: LseekReply): void | Promise<void> {
    return this.#data.seek(fd, request, reply)
  }
  copyFileRange(from: number, to: number, request: CopyFileRangeRequest, reply: CopyReply): Promise<void> {
    return this.#data.copy(from, to, request, reply)
  }

  opendir(node: number, _request: OpenRequest, reply: OpenReply): number {
    const fd = this.resolver.open(node, c.O_RDONLY | c.O_DIRECTORY)
    if (fd < 0) throw new FilesystemError(-fd)
    this.resolver.offerDevice(node, fd)
    if (this.#options.cache === 'always') reply.flags = OpenFlag.CACHE_DIR | OpenFlag.KEEP_CACHE
    this.files.add(fd, node, c.O_RDONLY | c.O_DIRECTORY, FileState.DIRECTORY)
    return fd
  }
  releasedir(node: number, fd: number): void {
    this.#leave(node, fd)
  }

  readdirRaw(node: number, fd: number, request: ReaddirRequest, reply: DirectoryReply, plus: boolean): void {
    const size = Math.min(request.size, reply.payload.length)
    const { nodes } = this.resolver
    const used = native.readDirectory(
      fd,
      request.offsetLow,
      request.offsetHigh,
      reply.payloadAddress,
      size,
      plus ? (this.resolver.eagerHandles ? 1 : 2) : 0,
      this.#listed.address,
      IDENTITY_SIZE,
      LISTING_MAX,
    )
    if (used < 0) return reply.fail(-used)
    reply.inPlace(used)
    const device = nodes.device(node)
    if (plus) this.#enter(node, reply, used)
    else if (device !== 0) this.#moveNumbers(reply, used, device)
  }

  /** Gives the entries of a listing their nodes. */
  #enter(parent: number, reply: DirectoryReply, used: number): void {
    const { resolver } = this
    const { nodes, root } = resolver
    const { words } = this.#listed
    const { output } = reply.message
    const timeout = TIMEOUTS[this.#options.cache]
    const device = nodes.device(parent)
    for (let byte = PAYLOAD, end = PAYLOAD + used, index = 0; byte < end; index++) {
      const dirent = (byte + 128) >> 2
      const length = output[dirent + 4]
      const at = Identities.at(index)
      output[dirent + 1] = Resolver.inoHigh(output[dirent + 1], device)
      if (
        words[at + Identity.MODE] !== 0 &&
        (root.isolated || this.#options.submounts || this.#sameMount(words, at))
      ) {
        const entryDevice = resolver.deviceOf(words, at)
        const name = reply.name(byte + 128 + 24, length)
        const node = nodes.intern(words, at, entryDevice, parent, name)
        const fields = new DirectoryEntryFields(reply.message, byte)
        fields.nodeId = nodes.remember(node)
        fields.generation = nodes.generation(node)
        fields.entryTimeout = timeout
        fields.attrTimeout = timeout
        fields.attr.inoHigh = Resolver.inoHigh(fields.attr.inoHigh, entryDevice)
        if (entryDevice !== device) {
          output[dirent] = fields.attr.inoLow
          output[dirent + 1] = fields.attr.inoHigh
        }
        this.#attributes.show(fields.attr)
      } else output.fill(0, byte >> 2, dirent)
      byte += 128 + ((24 + length + 7) & ~7)
    }
  }

  #sameMount(words: Uint32Array, at: number): boolean {
    const { root } = this.resolver
    return (
      words[at + Identity.DEV_MAJOR] === root.devMajor && words[at + Identity.DEV_MINOR] === root.devMinor
    )
  }

  #moveNumbers(reply: DirectoryReply, used: number, device: number): void {
    const { output } = reply.message
    for (let byte = PAYLOAD, end = PAYLOAD + used; byte < end; ) {
      output[(byte >> 2) + 1] = Resolver.inoHigh(output[(byte >> 2) + 1], device)
      byte += (24 + output[(byte >> 2) + 4] + 7) & ~7
    }
  }

  statfs(node: number, _request: Request, reply: StatfsReply): void {
    const fd = this.#options.submounts ? this.resolver.pathFd(node) : this.resolver.root.fd
    checked(native.statFilesystem(fd, reply.address))
  }
  getxattr(node: number, name: Name, request: GetxattrRequest, reply: XattrReply): void {
    this.#xattrs.get(node, name, request, reply)
  }
  setxattr(node: number, request: SetxattrRequest): void {
    this.#xattrs.set(node, request)
  }
  listxattr(node: number, request: ListxattrRequest, reply: XattrReply): void {
    this.#xattrs.list(node, request, reply)
  }
  removexattr(node: number, name: Name): void {
    this.#xattrs.remove(node, name)
  }
  access(node: number, request: AccessRequest): void {
    const path = this.resolver.call.path.of(this.resolver.pathFd(node))
    checked(native.syscall(sys.faccessat, c.AT_FDCWD, path, request.mask, 0))
  }
  getlk(node: number, fd: number, request: LockRequest, reply: LockReply): void {
    this.#locks.get(node, fd, request, reply)
  }
  setlk(node: number, fd: number, request: LockRequest, wait: boolean): void | Promise<void> {
    return this.#locks.set(node, fd, request, wait)
  }
  ioctl(node: number, fd: number | undefined, request: IoctlRequest, reply: IoctlReply): void {
    inodeFlags(this.resolver, this.#options.readOnly, node, fd, request, reply)
  }
  syncfs(): Promise<void> {
    return offload(undefined, sys.syncfs, this.resolver.root.fd).then((result) => {
      checked(result)
    })
  }
}

/** Raises the soft limit of descriptors to the hard one; returns what is then allowed. */
function raiseDescriptorLimit(): number {
  const limits = memory(16)
  checked(native.syscall(sys.prlimit64, 0, RLIMIT_NOFILE, 0, limits.address))
  const hard = Number(limits.bytes.readBigUInt64LE(8))
  limits.bytes.writeBigUInt64LE(limits.bytes.readBigUInt64LE(8), 0)
  native.syscall(sys.prlimit64, 0, RLIMIT_NOFILE, limits.address, 0)
  return Math.min(hard, DESCRIPTORS_MAX)
}
