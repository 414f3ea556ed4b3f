import { FilesystemError } from '../errors.js'
import type { Host } from '../filesystem.js'
import { constants, type ErrnoName, errno } from '../native.js'
import * as p from '../protocol/index.js'
import type { AttributeChanges, Inode, InodeAttributes } from './inode.js'
import { then, thenOptional } from './maybe.js'
import type { Dirent, Maybe, NodeOperations } from './operations.js'

// statx(2): STATX_BASIC_STATS and STATX_BTIME.
const BASIC_STATS = 0x7ff
const BTIME = 0x800

/** One open file: its inode, and what the inode's `open` returned. */
export class OpenInode {
  readonly inode: Inode
  readonly handle: unknown
  constructor(inode: Inode, handle: unknown) {
    this.inode = inode
    this.handle = handle
  }
}

function refuse(code: ErrnoName): never {
  throw new FilesystemError(code)
}

/** SETATTR as the changes it asks for. */
export function attributeChanges(request: p.SetattrRequest): AttributeChanges {
  const { valid } = request
  const { MODE, UID, GID, SIZE } = p.SetattrValid
  const time = (value: p.SettableTime | undefined): p.Time | undefined => (value?.now ? new Date() : value)
  return {
    mode: valid & MODE ? request.mode : undefined,
    uid: valid & UID ? request.newUid : undefined,
    gid: valid & GID ? request.newGid : undefined,
    size: valid & SIZE ? request.size : undefined,
    atime: time(request.atime),
    mtime: time(request.mtime),
    ctime: time(request.ctime),
    killSetId: request.killSetId,
  }
}

/** The node layer's operations as calls of inodes' methods, with an answer where an inode has none. */
export class TreeOperations implements NodeOperations<Inode, OpenInode> {
  readonly #root: Inode
  readonly #started: (host: Host) => void
  readonly #ended: (() => Maybe<void>) | undefined

  constructor(root: Inode, started: (host: Host) => void, ended: (() => Maybe<void>) | undefined) {
    this.#root = root
    this.#started = started
    this.#ended = ended
  }

  init(host: Host): void {
    this.#started(host)
  }
  destroy(): Maybe<void> {
    return this.#ended?.()
  }

  #attributes(inode: Inode, attr: p.Attributes, request: p.Request, handle?: OpenInode): Maybe<void> {
    const result = inode.getattr(request, handle?.handle)
    if (result === inode) attr.set(inode)
    else return then(result, (attributes) => attr.set({ ino: inode.ino, ...attributes }))
  }
  /** An inode for a reply that carries its attributes. */
  #entry(inode: Maybe<Inode>, attr: p.Attributes, request: p.Request): Maybe<Inode> {
    return then(inode, (found) => then(this.#attributes(found, attr, request), () => found))
  }

  lookup(parent: Inode, name: p.Name, attr: p.Attributes, request: p.Request): Maybe<Inode | undefined> {
    if (!parent.lookup) refuse('ENOTDIR')
    return then(parent.lookup(name.toString(), request), (inode) =>
      inode ? this.#entry(inode, attr, request) : undefined,
    )
  }
  getattr(inode: Inode, attr: p.Attributes, request: p.Request, handle: OpenInode | undefined): Maybe<void> {
    return this.#attributes(inode, attr, request, handle)
  }
  statx(inode: Inode, request: p.StatxRequest, reply: p.StatxReply, handle?: OpenInode): Maybe<void> {
    return then(inode.getattr(request, handle?.handle), (attributes: InodeAttributes) => {
      const {
        ino = inode.ino,
        size,
        blocks,
        atime,
        mtime,
        ctime,
        btime,
        mode,
        uid,
        gid,
        rdev = 0,
        blksize,
      } = attributes
      const nlink = attributes.nlink ?? ((mode & constants.S_IFMT) === constants.S_IFDIR ? 2 : 1)
      const mask = btime ? BASIC_STATS | BTIME : BASIC_STATS
      // As the kernel's new_decode_dev has it.
      const rdevMajor = (rdev >>> 8) & 0xfff
      const rdevMinor = (rdev & 0xff) | ((rdev >>> 12) & 0xfff00)
      const times = { atime: atime ?? mtime, mtime, ctime: ctime ?? mtime, btime }
      reply.set({ mask, ino, size, blocks, mode, uid, gid, nlink, blksize, rdevMajor, rdevMinor, ...times })
    })
  }
  setattr(inode: Inode, request: p.SetattrRequest, attr: p.Attributes, handle?: OpenInode): Maybe<void> {
    if (!inode.setattr) refuse('EROFS')
    return then(inode.setattr(attributeChanges(request), request, handle?.handle), () =>
      this.#attributes(inode, attr, request, handle),
    )
  }
  readlink(inode: Inode, request: p.Request): Maybe<string> {
    return inode.readlink ? inode.readlink(request) : refuse('EINVAL')
  }

  mknod(parent: Inode, request: p.MknodRequest, attr: p.Attributes): Maybe<Inode> {
    const made = this.#make(parent, request.name.toString(), request.mode, request.rdev, request)
    return this.#entry(made, attr, request)
  }
  #make(
    parent: Inode,
    name: string,
    mode: number,
    rdev: number,
    request: p.CreateRequest | p.MknodRequest,
  ): Maybe<Inode> {
    const regular = (mode & constants.S_IFMT) === constants.S_IFREG
    if (regular && parent.create) return parent.create(name, mode, request)
    if (parent.mknod) return parent.mknod(name, mode, rdev, request)
    // mknod(2): EPERM where the file system cannot hold such files.
    return refuse(parent.create ? 'EPERM' : 'EROFS')
  }
  mkdir(parent: Inode, request: p.MkdirRequest, attr: p.Attributes): Maybe<Inode> {
    if (!parent.mkdir) refuse('EROFS')
    const mode = constants.S_IFDIR | (request.mode & 0o7777)
    return this.#entry(parent.mkdir(request.name.toString(), mode, request), attr, request)
  }
  symlink(parent: Inode, request: p.SymlinkRequest, attr: p.Attributes): Maybe<Inode> {
    if (!parent.symlink) refuse('EROFS')
    const made = parent.symlink(request.name.toString(), request.target.toString(), request)
    return this.#entry(made, attr, request)
  }
  link(inode: Inode, parent: Inode, request: p.LinkRequest, attr: p.Attributes): Maybe<Inode> {
    if (!parent.link) refuse('EROFS')
    const linked = parent.link(request.name.toString(), inode, request)
    return then(linked, () => this.#entry(inode, attr, request))
  }
  unlink(parent: Inode, name: p.Name, request: p.Request): Maybe<void> {
    return parent.unlink ? parent.unlink(name.toString(), request as p.UnlinkRequest) : refuse('EROFS')
  }
  rmdir(parent: Inode, name: p.Name, request: p.Request): Maybe<void> {
    return parent.rmdir ? parent.rmdir(name.toString(), request as p.UnlinkRequest) : refuse('EROFS')
  }
  rename(parent: Inode, newParent: Inode, request: p.RenameRequest): Maybe<void> {
    if (!parent.rename) refuse('EROFS')
    const { name, newName, flags } = request
    return parent.rename(name.toString(), newParent, newName.toString(), flags, request)
  }

  open(inode: Inode, request: p.OpenRequest, reply: p.OpenReply): Maybe<OpenInode> {
    return this.#open(inode, request, reply)
  }
  #open(
    inode: Inode,
    request: p.OpenRequest | p.CreateRequest,
    reply: p.OpenReply | p.CreateReply,
  ): Maybe<OpenInode> {
    const { flags } = request
    if (!inode.write && (flags & constants.O_ACCMODE) !== constants.O_RDONLY) refuse('EROFS')
    // Spares a round trip a close(2); ENOSYS instead would hold for the flush of every other file too.
    if (!inode.flush) reply.flags |= p.OpenFlag.NOFLUSH
    return then(inode.open?.(flags, request, reply), (handle) => new OpenInode(inode, handle))
  }
  create(
    parent: Inode,
    request: p.CreateRequest,
    reply: p.CreateReply,
  ): Maybe<{ node: Inode; handle: OpenInode }> {
    const mode = constants.S_IFREG | (request.mode & 0o7777)
    return this.#created(this.#make(parent, request.name.toString(), mode, 0, request), request, reply)
  }
  tmpfile(
    parent: Inode,
    request: p.CreateRequest,
    reply: p.CreateReply,
  ): Maybe<{ node: Inode; handle: OpenInode }> {
    if (!parent.tmpfile) refuse('EOPNOTSUPP')
    const mode = constants.S_IFREG | (request.mode & 0o7777)
    return this.#created(parent.tmpfile(mode, request), request, reply)
  }
  #created(
    made: Maybe<Inode>,
    request: p.CreateRequest,
    reply: p.CreateReply,
  ): Maybe<{ node: Inode; handle: OpenInode }> {
    return then(this.#entry(made, reply.entry.attr, request), (node) =>
      then(this.#open(node, request, reply), (handle) => ({ node, handle })),
    )
  }

  read(inode: Inode, open: OpenInode | undefined, request: p.ReadRequest, reply: p.ReadReply): Maybe<void> {
    if (!inode.read) refuse(inode.isDirectory ? 'EISDIR' : 'EINVAL')
    return thenOptional(inode.read(request.offset, request.size, open?.handle, request, reply), (bytes) => {
      if (bytes !== undefined) reply.data(typeof bytes === 'string' ? Buffer.from(bytes) : bytes)
    })
  }
  write(
    inode: Inode,
    open: OpenInode | undefined,
    request: p.WriteRequest,
    reply: p.WriteReply,
  ): Maybe<void> {
    if (!inode.write) refuse('EROFS')
    const { size } = request
    return thenOptional(inode.write(request.offset, request.data, open?.handle, request), (count) => {
      reply.size = count ?? size
    })
  }
  flush(inode: Inode, open: OpenInode | undefined, request: p.FlushRequest): Maybe<void> {
    return inode.flush?.(open?.handle, request)
  }
  fsync(inode: Inode, open: OpenInode | undefined, request: p.FsyncRequest): Maybe<void> {
    return inode.fsync?.(request.dataOnly, open?.handle, request)
  }
  fsyncdir(inode: Inode, open: OpenInode | undefined, request: p.FsyncRequest): Maybe<void> {
    return inode.fsync?.(request.dataOnly, open?.handle, request)
  }
  release(inode: Inode, open: OpenInode, request: p.ReleaseRequest): Maybe<void> {
    return inode.release?.(open.handle, request)
  }
  fallocate(inode: Inode, open: OpenInode, request: p.FallocateRequest): Maybe<void> {
    if (!inode.fallocate) refuse('EOPNOTSUPP')
    return inode.fallocate(request.offset, request.length, request.mode, open.handle, request)
  }
  lseek(inode: Inode, open: OpenInode, request: p.LseekRequest, reply: p.LseekReply): Maybe<void> {
    const { offset, whence } = request
    const answer = (found: number) => {
      reply.offset = found
    }
    if (inode.lseek) return then(inode.lseek(offset, whence, open.handle, request), answer)
    return then(inode.getattr(request, open.handle), ({ size = 0 }) => {
      if (offset >= size) return reply.fail(errno.ENXIO)
      answer(whence === constants.SEEK_HOLE ? size : offset)
    })
  }
  copyFileRange(
    from: OpenInode,
    to: OpenInode,
    request: p.CopyFileRangeRequest,
    reply: p.CopyReply,
  ): Maybe<void> {
    // The kernel then copies by itself.
    if (!from.inode.copyTo) refuse('EOPNOTSUPP')
    return then(from.inode.copyTo(to.inode, request), (count) => {
      reply.copied = count
    })
  }

  readdir(inode: Inode, _handle: OpenInode | undefined, request: p.Request): Maybe<Iterable<Dirent>> {
    if (!inode.readdir) refuse('ENOTDIR')
    return then(inode.readdir(request), (names) => {
      const list: Dirent[] = [{ name: '.', ino: inode.ino, type: constants.S_IFDIR }]
      for (const [name, { ino, mode }] of names) list.push({ name, ino, type: mode & constants.S_IFMT })
      return list
    })
  }

  statfs(_inode: Inode, request: p.Request, reply: p.StatfsReply): Maybe<void> {
    return then(this.#root.statfs?.(request) ?? {}, (init) => reply.set(init))
  }
  getxattr(inode: Inode, name: p.Name, request: p.GetxattrRequest, reply: p.XattrReply): Maybe<void> {
    if (!inode.getxattr) return reply.fail(errno.ENODATA)
    return then(inode.getxattr(name.toString(), request), (value) => {
      if (value === undefined) reply.fail(errno.ENODATA)
      else reply.value(typeof value === 'string' ? Buffer.from(value) : value)
    })
  }
  listxattr(inode: Inode, request: p.ListxattrRequest, reply: p.XattrReply): Maybe<void> {
    return then(inode.listxattr?.(request) ?? [], (names) => {
      const list = Array.from(names, (name) => [p.encodeName(name), Buffer.alloc(1)])
      reply.value(Buffer.concat(list.flat()))
    })
  }
  setxattr(inode: Inode, request: p.SetxattrRequest): Maybe<void> {
    if (!inode.setxattr) refuse('EOPNOTSUPP')
    return inode.setxattr(request.name.toString(), request.value, request.flags, request)
  }
  removexattr(inode: Inode, name: p.Name, request: p.Request): Maybe<void> {
    if (!inode.removexattr) refuse('EOPNOTSUPP')
    return inode.removexattr(name.toString(), request as p.RemovexattrRequest)
  }
  ioctl(
    inode: Inode,
    open: OpenInode | undefined,
    request: p.IoctlRequest,
    reply: p.IoctlReply,
  ): Maybe<void> {
    return inode.ioctl ? inode.ioctl(request, reply, open?.handle) : refuse('ENOTTY')
  }
  poll(inode: Inode, open: OpenInode | undefined, request: p.PollRequest, reply: p.PollReply): Maybe<void> {
    if (inode.poll) return inode.poll(request, reply, open?.handle)
    // poll(2): what never waits is always ready, POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM.
    reply.events = request.events & 0x145
  }
}
