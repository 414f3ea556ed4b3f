import type { Filesystem, Host, Result } from '../filesystem.js'
import { errno } from '../native.js'
import type * as p from '../protocol/index.js'
import { IoctlFlag } from '../protocol/index.js'
import { DirectorySnapshot } from './directory-snapshot.js'
import type { HandleTable, Maybe, NodeOperations, NodeTable } from './operations.js'
import { ObjectHandles } from './tables.js'

export interface NodeFilesystemOptions<N, H> {
  nodes: NodeTable<N>
  /** Default: a table of JavaScript values. */
  handles?: HandleTable<H>
  /** Seconds that the kernel may keep a name, attributes, and the absence of a name. Defaults 1, 1, 0. */
  entryTimeout?: number
  attrTimeout?: number
  negativeTimeout?: number
}

function isPromise<T>(value: Maybe<T>): value is PromiseLike<T> {
  return typeof value === 'object' && value !== null && typeof (value as PromiseLike<T>).then === 'function'
}

/** Methods of the wire that need an operation of the same or another name. */
const needed: [method: keyof Filesystem, operation: keyof NodeOperations<unknown, unknown>][] = [
  ['statx', 'statx'],
  ['setattr', 'setattr'],
  ['readlink', 'readlink'],
  ['symlink', 'symlink'],
  ['mknod', 'mknod'],
  ['mkdir', 'mkdir'],
  ['link', 'link'],
  ['unlink', 'unlink'],
  ['rmdir', 'rmdir'],
  ['rename', 'rename'],
  ['open', 'open'],
  ['create', 'create'],
  ['tmpfile', 'tmpfile'],
  ['read', 'read'],
  ['write', 'write'],
  ['flush', 'flush'],
  ['fsync', 'fsync'],
  ['fsyncdir', 'fsyncdir'],
  ['statfs', 'statfs'],
  ['setxattr', 'setxattr'],
  ['getxattr', 'getxattr'],
  ['listxattr', 'listxattr'],
  ['removexattr', 'removexattr'],
  ['access', 'access'],
  ['getlk', 'getlk'],
  ['setlk', 'setlk'],
  ['setlkw', 'setlk'],
  ['bmap', 'bmap'],
  ['ioctl', 'ioctl'],
  ['poll', 'poll'],
  ['fallocate', 'fallocate'],
  ['lseek', 'lseek'],
  ['copyFileRange', 'copyFileRange'],
  ['syncfs', 'syncfs'],
]

/**
 * The node layer: turns operations on nodes and handles into the wire's file system. It owns nodeids, generations and
 * reference counts (through its table), file handles, and directory listings whose offsets stay good while names come and go.
 */
export class NodeFilesystem<N, H = unknown> implements Filesystem {
  readonly #ops: NodeOperations<N, H>
  readonly #nodes: NodeTable<N>
  readonly #handles: HandleTable<H>
  /** Whether an unknown handle is an error: in the default table, `undefined` may be a handle. */
  readonly #strictHandles: boolean
  readonly #directories = new ObjectHandles<DirectorySnapshot<N, H>>()
  readonly #entryTimeout: number
  readonly #attrTimeout: number
  readonly #negativeTimeout: number

  constructor(operations: NodeOperations<N, H>, options: NodeFilesystemOptions<N, H>) {
    this.#ops = operations
    this.#nodes = options.nodes
    this.#handles = options.handles ?? new ObjectHandles<H>()
    this.#strictHandles = options.handles !== undefined
    this.#entryTimeout = options.entryTimeout ?? 1
    this.#attrTimeout = options.attrTimeout ?? 1
    this.#negativeTimeout = options.negativeTimeout ?? 0
    for (const [method, operation] of needed)
      if (!operations[operation]) Object.defineProperty(this, method, { value: undefined })
    if (!operations.readdir && !operations.readdirRaw)
      for (const method of ['opendir', 'readdir', 'readdirplus', 'releasedir'])
        Object.defineProperty(this, method, { value: undefined })
  }

  get nodeCount(): number {
    return this.#nodes.size
  }
  get handleCount(): number {
    return this.#handles.size + this.#directories.size
  }

  init(host: Host): void {
    this.#ops.init?.(host)
  }
  destroy(): Result {
    return this.#ops.destroy?.()
  }
  forget(nodeId: number, count: number): void {
    this.#nodes.forget(nodeId, count)
  }

  lookup(request: p.LookupRequest, reply: p.EntryReply): Result {
    const parent = this.#nodes.get(request.nodeId)
    if (parent === undefined) return reply.fail(errno.ESTALE)
    const node = this.#ops.lookup(parent, request.name, reply.attr, request)
    if (isPromise(node)) return node.then((found) => this.#entry(found, reply))
    this.#entry(node, reply)
  }

  #entry(node: N | undefined, reply: p.EntryReply): void {
    // The kernel counts no reference for an answer that failed.
    if (reply.message.failed) return
    if (node === undefined) return reply.negative(this.#negativeTimeout)
    const nodeId = this.#nodes.remember(node)
    reply.nodeId = nodeId
    reply.generation = this.#nodes.generation(nodeId)
    reply.entryTimeout = this.#entryTimeout
    reply.attrTimeout = this.#attrTimeout
  }

  getattr(request: p.GetattrRequest, reply: p.AttrReply): Result {
    const node = this.#nodes.get(request.nodeId)
    if (node === undefined) return reply.fail(errno.ESTALE)
    reply.attrTimeout = this.#attrTimeout
    return this.#ops.getattr(
      node,
      reply.attr,
      request,
      request.hasHandle ? this.#handles.get(request.fh) : undefined,
    ) as Result
  }

  statx(request: p.StatxRequest, reply: p.StatxReply): Result {
    const node = this.#nodes.get(request.nodeId)
    if (node === undefined) return reply.fail(errno.ESTALE)
    reply.attrTimeout = this.#attrTimeout
    return this.#ops.statx!(
      node,
      request,
      reply,
      request.hasHandle ? this.#handles.get(request.fh) : undefined,
    ) as Result
  }

  setattr(request: p.SetattrRequest, reply: p.AttrReply): Result {
    const node = this.#nodes.get(request.nodeId)
    if (node === undefined) return reply.fail(errno.ESTALE)
    reply.attrTimeout = this.#attrTimeout
    return this.#ops.setattr!(
      node,
      request,
      reply.attr,
      request.hasHandle ? this.#handles.get(request.fh) : undefined,
    ) as Result
  }

  readlink(request: p.Request, reply: p.BytesReply): Result {
    const node = this.#nodes.get(request.nodeId)
    if (node === undefined) return reply.fail(errno.ESTALE)
    const target = this.#ops.readlink!(node, request)
    if (isPromise(target)) return target.then((text) => reply.data(text))
    reply.data(target)
  }

  symlink(request: p.SymlinkRequest, reply: p.EntryReply): Result {
    const parent = this.#nodes.get(request.nodeId)
    if (parent === undefined) return reply.fail(errno.ESTALE)
    return this.#made(this.#ops.symlink!(parent, request, reply.attr), reply)
  }
  mknod(request: p.MknodRequest, reply: p.EntryReply): Result {
    const parent = this.#nodes.get(request.nodeId)
    if (parent === undefined) return reply.fail(errno.ESTALE)
    return this.#made(this.#ops.mknod!(parent, request, reply.attr), reply)
  }
  mkdir(request: p.MkdirRequest, reply: p.EntryReply): Result {
    const parent = this.#nodes.get(request.nodeId)
    if (parent === undefined) return reply.fail(errno.ESTALE)
    return this.#made(this.#ops.mkdir!(parent, request, reply.attr), reply)
  }
  link(request: p.LinkRequest, reply: p.EntryReply): Result {
    const target = this.#nodes.get(request.target)
    const parent = this.#nodes.get(request.nodeId)
    if (target === undefined || parent === undefined) return reply.fail(errno.ESTALE)
    return this.#made(this.#ops.link!(target, parent, request, reply.attr), reply)
  }

  #made(node: Maybe<N>, reply: p.EntryReply): Result {
    if (isPromise(node)) return node.then((made) => this.#entry(made, reply))
    this.#entry(node, reply)
  }

  unlink(request: p.UnlinkRequest, reply: p.Reply): Result {
    const parent = this.#nodes.get(request.nodeId)
    if (parent === undefined) return reply.fail(errno.ESTALE)
    return this.#ops.unlink!(parent, request.name, request) as Result
  }
  rmdir(request: p.UnlinkRequest, reply: p.Reply): Result {
    const parent = this.#nodes.get(request.nodeId)
    if (parent === undefined) return reply.fail(errno.ESTALE)
    return this.#ops.rmdir!(parent, request.name, request) as Result
  }
  rename(request: p.RenameRequest, reply: p.Reply): Result {
    const parent = this.#nodes.get(request.nodeId)
    const newParent = this.#nodes.get(request.newParent)
    if (parent === undefined || newParent === undefined) return reply.fail(errno.ESTALE)
    return this.#ops.rename!(parent, newParent, request) as Result
  }

  open(request: p.OpenRequest, reply: p.OpenReply): Result {
    const node = this.#nodes.get(request.nodeId)
    if (node === undefined) return reply.fail(errno.ESTALE)
    const handle = this.#ops.open!(node, request, reply)
    if (isPromise(handle)) return handle.then((opened) => this.#opened(opened, reply))
    this.#opened(handle, reply)
  }
  /** After `reply.fail` nothing is open: no release would come. */
  #opened(handle: H, reply: p.OpenReply | p.CreateReply): void {
    if (!reply.message.failed) reply.fh = this.#handles.open(handle)
  }

  create(request: p.CreateRequest, reply: p.CreateReply): Result {
    const parent = this.#nodes.get(request.nodeId)
    if (parent === undefined) return reply.fail(errno.ESTALE)
    return this.#created(this.#ops.create!(parent, request, reply), reply)
  }
  tmpfile(request: p.CreateRequest, reply: p.CreateReply): Result {
    const parent = this.#nodes.get(request.nodeId)
    if (parent === undefined) return reply.fail(errno.ESTALE)
    return this.#created(this.#ops.tmpfile!(parent, request, reply), reply)
  }
  #created(made: Maybe<{ node: N; handle: H }>, reply: p.CreateReply): Result {
    if (isPromise(made)) return made.then((both) => this.#createdEntry(both, reply))
    this.#createdEntry(made, reply)
  }
  #createdEntry(made: { node: N; handle: H }, reply: p.CreateReply): void {
    if (reply.message.failed) return
    this.#entry(made.node, reply.entry)
    this.#opened(made.handle, reply)
  }

  read(request: p.ReadRequest, reply: p.ReadReply): Result {
    const node = this.#nodes.get(request.nodeId)
    if (node === undefined) return reply.fail(errno.ESTALE)
    return this.#ops.read!(node, this.#handles.get(request.fh), request, reply) as Result
  }
  write(request: p.WriteRequest, reply: p.WriteReply): Result {
    const node = this.#nodes.get(request.nodeId)
    if (node === undefined) return reply.fail(errno.ESTALE)
    return this.#ops.write!(node, this.#handles.get(request.fh), request, reply) as Result
  }
  flush(request: p.FlushRequest, reply: p.Reply): Result {
    const node = this.#nodes.get(request.nodeId)
    if (node === undefined) return reply.fail(errno.ESTALE)
    return this.#ops.flush!(node, this.#handles.get(request.fh), request, reply) as Result
  }
  release(request: p.ReleaseRequest): Result {
    const node = this.#nodes.get(request.nodeId)
    const handle = this.#handles.get(request.fh)
    let released: Maybe<void> | undefined
    try {
      if (node !== undefined && (handle !== undefined || !this.#strictHandles))
        released = this.#ops.release?.(node, handle as H, request)
    } catch (error) {
      this.#handles.close(request.fh)
      throw error
    }
    return closeAfter(this.#handles, request.fh, released)
  }
  fsync(request: p.FsyncRequest, reply: p.Reply): Result {
    const node = this.#nodes.get(request.nodeId)
    if (node === undefined) return reply.fail(errno.ESTALE)
    return this.#ops.fsync!(node, this.#handles.get(request.fh), request) as Result
  }
  fallocate(request: p.FallocateRequest, reply: p.Reply): Result {
    const node = this.#nodes.get(request.nodeId)
    if (node === undefined) return reply.fail(errno.ESTALE)
    const handle = this.#handles.get(request.fh)
    if (handle === undefined && this.#strictHandles) return reply.fail(errno.EBADF)
    return this.#ops.fallocate!(node, handle as H, request) as Result
  }
  lseek(request: p.LseekRequest, reply: p.LseekReply): Result {
    const node = this.#nodes.get(request.nodeId)
    if (node === undefined) return reply.fail(errno.ESTALE)
    const handle = this.#handles.get(request.fh)
    if (handle === undefined && this.#strictHandles) return reply.fail(errno.EBADF)
    return this.#ops.lseek!(node, handle as H, request, reply) as Result
  }
  copyFileRange(request: p.CopyFileRangeRequest, reply: p.CopyReply): Result {
    const from = this.#handles.get(request.fh)
    const to = this.#handles.get(request.outFh)
    if (this.#strictHandles && (from === undefined || to === undefined)) return reply.fail(errno.EBADF)
    return this.#ops.copyFileRange!(from as H, to as H, request, reply) as Result
  }

  opendir(request: p.OpenRequest, reply: p.OpenReply): Result {
    const node = this.#nodes.get(request.nodeId)
    if (node === undefined) return reply.fail(errno.ESTALE)
    const raw = this.#ops.readdirRaw !== undefined
    const keep = (handle: H | undefined) => {
      if (reply.message.failed) return
      reply.fh = raw
        ? this.#handles.open(handle as H)
        : this.#directories.open(new DirectorySnapshot(this.#ops, this.#nodes, node, handle))
    }
    const handle = this.#ops.opendir?.(node, request, reply)
    if (isPromise(handle)) return handle.then(keep)
    keep(handle)
  }
  readdir(request: p.ReaddirRequest, reply: p.DirectoryReply): Result {
    return this.#list(request, reply, false)
  }
  readdirplus(request: p.ReaddirRequest, reply: p.DirectoryReply): Result {
    return this.#list(request, reply, true)
  }
  #list(request: p.ReaddirRequest, reply: p.DirectoryReply, plus: boolean): Result {
    if (this.#ops.readdirRaw) {
      const node = this.#nodes.get(request.nodeId)
      const handle = this.#handles.get(request.fh)
      if (node === undefined || handle === undefined) return reply.fail(errno.EBADF)
      return this.#ops.readdirRaw(node, handle, request, reply, plus) as Result
    }
    const directory = this.#directories.get(request.fh)
    if (!directory) return reply.fail(errno.EBADF)
    return directory.list(
      request,
      reply,
      plus ? { entry: this.#entryTimeout, attr: this.#attrTimeout } : undefined,
    )
  }
  releasedir(request: p.ReleaseRequest): Result {
    const node = this.#nodes.get(request.nodeId)
    const handle = this.#directoryHandle(request.fh)
    const table = this.#ops.readdirRaw ? this.#handles : this.#directories
    let released: Maybe<void> | undefined
    try {
      if (node !== undefined && handle !== undefined) released = this.#ops.releasedir?.(node, handle, request)
    } catch (error) {
      table.close(request.fh)
      throw error
    }
    return closeAfter(table, request.fh, released)
  }
  #directoryHandle(fh: number): H | undefined {
    return this.#ops.readdirRaw ? this.#handles.get(fh) : this.#directories.get(fh)?.handle
  }
  fsyncdir(request: p.FsyncRequest, reply: p.Reply): Result {
    const node = this.#nodes.get(request.nodeId)
    if (node === undefined) return reply.fail(errno.ESTALE)
    return this.#ops.fsyncdir!(node, this.#directoryHandle(request.fh), request) as Result
  }

  statfs(request: p.Request, reply: p.StatfsReply): Result {
    const node = this.#nodes.get(request.nodeId)
    if (node === undefined) return reply.fail(errno.ESTALE)
    return this.#ops.statfs!(node, request, reply) as Result
  }
  setxattr(request: p.SetxattrRequest, reply: p.Reply): Result {
    const node = this.#nodes.get(request.nodeId)
    if (node === undefined) return reply.fail(errno.ESTALE)
    return this.#ops.setxattr!(node, request) as Result
  }
  getxattr(request: p.GetxattrRequest, reply: p.XattrReply): Result {
    const node = this.#nodes.get(request.nodeId)
    if (node === undefined) return reply.fail(errno.ESTALE)
    return this.#ops.getxattr!(node, request.name, request, reply) as Result
  }
  listxattr(request: p.ListxattrRequest, reply: p.XattrReply): Result {
    const node = this.#nodes.get(request.nodeId)
    if (node === undefined) return reply.fail(errno.ESTALE)
    return this.#ops.listxattr!(node, request, reply) as Result
  }
  removexattr(request: p.RemovexattrRequest, reply: p.Reply): Result {
    const node = this.#nodes.get(request.nodeId)
    if (node === undefined) return reply.fail(errno.ESTALE)
    return this.#ops.removexattr!(node, request.name, request) as Result
  }
  access(request: p.AccessRequest, reply: p.Reply): Result {
    const node = this.#nodes.get(request.nodeId)
    if (node === undefined) return reply.fail(errno.ESTALE)
    return this.#ops.access!(node, request) as Result
  }
  getlk(request: p.LockRequest, reply: p.LockReply): Result {
    const node = this.#nodes.get(request.nodeId)
    if (node === undefined) return reply.fail(errno.ESTALE)
    const handle = this.#handles.get(request.fh)
    if (handle === undefined && this.#strictHandles) return reply.fail(errno.EBADF)
    return this.#ops.getlk!(node, handle as H, request, reply) as Result
  }
  setlk(request: p.LockRequest, reply: p.Reply): Result {
    return this.#lock(request, reply, false)
  }
  setlkw(request: p.LockRequest, reply: p.Reply): Result {
    return this.#lock(request, reply, true)
  }
  #lock(request: p.LockRequest, reply: p.Reply, wait: boolean): Result {
    const node = this.#nodes.get(request.nodeId)
    if (node === undefined) return reply.fail(errno.ESTALE)
    const handle = this.#handles.get(request.fh)
    if (handle === undefined && this.#strictHandles) return reply.fail(errno.EBADF)
    return this.#ops.setlk!(node, handle as H, request, wait) as Result
  }
  bmap(request: p.BmapRequest, reply: p.BmapReply): Result {
    const node = this.#nodes.get(request.nodeId)
    if (node === undefined) return reply.fail(errno.ESTALE)
    return this.#ops.bmap!(node, request, reply) as Result
  }
  ioctl(request: p.IoctlRequest, reply: p.IoctlReply): Result {
    const node = this.#nodes.get(request.nodeId)
    if (node === undefined) return reply.fail(errno.ESTALE)
    const { fh, flags } = request
    const handle = (flags & IoctlFlag.DIR) !== 0 ? this.#directoryHandle(fh) : this.#handles.get(fh)
    return this.#ops.ioctl!(node, handle, request, reply) as Result
  }
  poll(request: p.PollRequest, reply: p.PollReply): Result {
    const node = this.#nodes.get(request.nodeId)
    if (node === undefined) return reply.fail(errno.ESTALE)
    return this.#ops.poll!(node, this.#handles.get(request.fh), request, reply) as Result
  }
  syncfs(request: p.Request, reply: p.Reply): Result {
    const node = this.#nodes.get(request.nodeId)
    if (node === undefined) return reply.fail(errno.ESTALE)
    return this.#ops.syncfs!(node, request) as Result
  }
}

/** The number of a handle may be used again only when the operation is done with it; also one that failed. */
function closeAfter(table: HandleTable<unknown>, fh: number, released: Maybe<void> | undefined): Result {
  if (released !== undefined && isPromise(released)) {
    const close = () => table.close(fh)
    return Promise.resolve(released).finally(close)
  }
  table.close(fh)
}
