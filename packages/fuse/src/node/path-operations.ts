import { FilesystemError } from '../errors.js'
import type { Host } from '../filesystem.js'
import { constants, type ErrnoName, errno } from '../native.js'
import * as p from '../protocol/index.js'
import type { InodeAttributes } from './inode.js'
import { isPromise, then, thenOptional } from './maybe.js'
import type { Dirent, Maybe, NodeOperations } from './operations.js'
import type { PathOperations } from './path-filesystem.js'
import { OpenPath, PathNode } from './path-node.js'
import { attributeChanges } from './tree-operations.js'

function refuse(code: ErrnoName): never {
  throw new FilesystemError(code)
}

/** Node operations that need a path operation of the same name. */
const optional = [
  'setattr',
  'readlink',
  'create',
  'read',
  'write',
  'flush',
  'fsync',
  'mkdir',
  'mknod',
  'symlink',
] as const
const alsoOptional = [
  'unlink',
  'rmdir',
  'rename',
  'statfs',
  'getxattr',
  'listxattr',
  'setxattr',
  'removexattr',
] as const

/** The node layer's operations as calls with paths. */
export class PathBridge<H> implements NodeOperations<PathNode<H>, OpenPath<H>> {
  readonly #ops: PathOperations<H>

  constructor(operations: PathOperations<H>) {
    this.#ops = operations
    // What is missing must be missing below as well: the kernel then stops asking.
    for (const name of [...optional, ...alsoOptional])
      if (!operations[name]) Object.defineProperty(this, name, { value: undefined })
    if (!operations.readdir) Object.defineProperty(this, 'readdir', { value: undefined })
  }

  init(host: Host): void {
    this.#ops.init?.(host)
  }
  destroy(): Maybe<void> {
    return this.#ops.destroy?.()
  }

  /** For operations that have nothing but a path. */
  #path(node: PathNode<H>): string {
    return node.reachable ? node.path : refuse('ENOENT')
  }
  /** For operations on what may be open: a file whose name is gone needs a handle. */
  #open(node: PathNode<H>, open: OpenPath<H> | undefined): H | undefined {
    if (open || node.reachable) return open?.handle
    const [any] = node.handles
    return any?.handle === undefined ? refuse('ENOENT') : any.handle
  }

  #attributes(node: PathNode<H>, attr: p.Attributes, request: p.Request, open?: OpenPath<H>): Maybe<void> {
    const handle = this.#open(node, open)
    return then(this.#ops.getattr(node.path, handle, request), (attributes) => {
      if (!attributes) refuse('ENOENT')
      const nlink = node.reachable ? attributes.nlink : 0
      attr.set({ ino: node.ino, ...attributes, ...(nlink === undefined ? {} : { nlink }) })
    })
  }

  /** The child of a name, as it is now: another file under a known name is another node. */
  #child(parent: PathNode<H>, name: string, attributes: InodeAttributes, attr: p.Attributes): PathNode<H> {
    const type = attributes.mode & constants.S_IFMT
    let child = parent.children.get(name)
    if (child && (child.type !== type || child.givenIno !== attributes.ino)) {
      parent.detach(name)
      child = undefined
    }
    if (!child) {
      child = new PathNode(parent, name)
      child.type = type
      child.givenIno = attributes.ino
      parent.children.set(name, child)
    }
    attr.set({ ino: child.ino, ...attributes })
    return child
  }
  /** A file that was just made; `handle`, where it was opened too. */
  #made(
    parent: PathNode<H>,
    name: string,
    attr: p.Attributes,
    request: p.Request,
    handle?: H,
  ): Maybe<PathNode<H>> {
    return then(this.#ops.getattr(parent.childPath(name), handle, request), (attributes) =>
      attributes ? this.#child(parent, name, attributes, attr) : refuse('ENOENT'),
    )
  }

  lookup(
    parent: PathNode<H>,
    name: p.Name,
    attr: p.Attributes,
    request: p.Request,
  ): Maybe<PathNode<H> | undefined> {
    const text = name.toString()
    const found = (attributes: InodeAttributes | undefined) => {
      if (attributes) return this.#child(parent, text, attributes, attr)
      parent.detach(text)
      return undefined
    }
    const failed = (error: unknown) => {
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'ENOENT') throw error
      return found(undefined)
    }
    this.#path(parent)
    try {
      const attributes = this.#ops.getattr(parent.childPath(text), undefined, request)
      return isPromise(attributes) ? attributes.then(found).then(undefined, failed) : found(attributes)
    } catch (error) {
      return failed(error)
    }
  }
  getattr(
    node: PathNode<H>,
    attr: p.Attributes,
    request: p.Request,
    open: OpenPath<H> | undefined,
  ): Maybe<void> {
    return this.#attributes(node, attr, request, open)
  }
  setattr(node: PathNode<H>, request: p.SetattrRequest, attr: p.Attributes, open?: OpenPath<H>): Maybe<void> {
    const handle = this.#open(node, open)
    const changed = this.#ops.setattr!(node.path, attributeChanges(request), handle, request)
    return then(changed, () => this.#attributes(node, attr, request, open))
  }
  readlink(node: PathNode<H>, request: p.Request): Maybe<string> {
    return this.#ops.readlink!(this.#path(node), request)
  }

  mkdir(parent: PathNode<H>, request: p.MkdirRequest, attr: p.Attributes): Maybe<PathNode<H>> {
    const name = request.name.toString()
    this.#path(parent)
    const mode = constants.S_IFDIR | (request.mode & 0o7777)
    const made = this.#ops.mkdir!(parent.childPath(name), mode, request)
    return then(made, () => {
      // What had the name before must be gone.
      parent.detach(name)
      return this.#made(parent, name, attr, request)
    })
  }
  mknod(parent: PathNode<H>, request: p.MknodRequest, attr: p.Attributes): Maybe<PathNode<H>> {
    const name = request.name.toString()
    this.#path(parent)
    const made = this.#ops.mknod!(parent.childPath(name), request.mode, request.rdev, request)
    return then(made, () => {
      // What had the name before must be gone.
      parent.detach(name)
      return this.#made(parent, name, attr, request)
    })
  }
  symlink(parent: PathNode<H>, request: p.SymlinkRequest, attr: p.Attributes): Maybe<PathNode<H>> {
    const name = request.name.toString()
    this.#path(parent)
    const made = this.#ops.symlink!(parent.childPath(name), request.target.toString(), request)
    return then(made, () => {
      // What had the name before must be gone.
      parent.detach(name)
      return this.#made(parent, name, attr, request)
    })
  }
  unlink(parent: PathNode<H>, name: p.Name, request: p.Request): Maybe<void> {
    const text = name.toString()
    this.#path(parent)
    return then(this.#ops.unlink!(parent.childPath(text), request), () => parent.detach(text))
  }
  rmdir(parent: PathNode<H>, name: p.Name, request: p.Request): Maybe<void> {
    const text = name.toString()
    this.#path(parent)
    return then(this.#ops.rmdir!(parent.childPath(text), request), () => parent.detach(text))
  }
  rename(parent: PathNode<H>, newParent: PathNode<H>, request: p.RenameRequest): Maybe<void> {
    const { flags } = request
    const [name, newName] = [request.name.toString(), request.newName.toString()]
    this.#path(parent)
    this.#path(newParent)
    const renamed = this.#ops.rename!(parent.childPath(name), newParent.childPath(newName), flags, request)
    const exchange = (flags & constants.RENAME_EXCHANGE) !== 0
    return then(renamed, () => parent.move(name, newParent, newName, exchange))
  }
  // Older kernels would hand on the ENOSYS of a missing operation.
  link(): never {
    return refuse('EPERM')
  }

  open(node: PathNode<H>, request: p.OpenRequest, reply: p.OpenReply): Maybe<OpenPath<H>> {
    const path = this.#path(node)
    if (!this.#ops.write && (request.flags & constants.O_ACCMODE) !== constants.O_RDONLY) refuse('EROFS')
    return then(
      this.#ops.open?.(path, request.flags, request, reply),
      (handle) => new OpenPath<H>(node, handle),
    )
  }
  create(
    parent: PathNode<H>,
    request: p.CreateRequest,
    reply: p.CreateReply,
  ): Maybe<{ node: PathNode<H>; handle: OpenPath<H> }> {
    const name = request.name.toString()
    this.#path(parent)
    const mode = constants.S_IFREG | (request.mode & 0o7777)
    const created = this.#ops.create!(parent.childPath(name), mode, request.flags, request)
    return then(created, (handle) =>
      then(this.#made(parent, name, reply.entry.attr, request, handle), (node) => ({
        node,
        handle: new OpenPath<H>(node, handle),
      })),
    )
  }
  read(
    node: PathNode<H>,
    open: OpenPath<H> | undefined,
    request: p.ReadRequest,
    reply: p.ReadReply,
  ): Maybe<void> {
    const handle = this.#open(node, open)
    const buffer = reply.payload.subarray(0, request.size)
    return then(this.#ops.read!(node.path, buffer, request.offset, handle, request), (result) => {
      if (typeof result === 'number') reply.inPlace(result)
      else reply.data(typeof result === 'string' ? Buffer.from(result) : result)
    })
  }
  write(
    node: PathNode<H>,
    open: OpenPath<H> | undefined,
    request: p.WriteRequest,
    reply: p.WriteReply,
  ): Maybe<void> {
    const { size } = request
    const handle = this.#open(node, open)
    return thenOptional(
      this.#ops.write!(node.path, request.data, request.offset, handle, request),
      (count) => {
        reply.size = count ?? size
      },
    )
  }
  flush(node: PathNode<H>, open: OpenPath<H> | undefined, request: p.FlushRequest): Maybe<void> {
    return this.#ops.flush!(node.path, open?.handle, request)
  }
  fsync(node: PathNode<H>, open: OpenPath<H> | undefined, request: p.FsyncRequest): Maybe<void> {
    return this.#ops.fsync!(node.path, request.dataOnly, open?.handle, request)
  }
  release(node: PathNode<H>, open: OpenPath<H>, request: p.ReleaseRequest): Maybe<void> {
    open.node.handles.delete(open)
    return this.#ops.release?.(node.path, open.handle, request)
  }

  opendir(node: PathNode<H>, request: p.OpenRequest): Maybe<OpenPath<H>> {
    const path = this.#path(node)
    return then(this.#ops.opendir?.(path, request), (handle) => new OpenPath<H>(node, handle))
  }
  readdir(node: PathNode<H>, open: OpenPath<H> | undefined, request: p.Request): Maybe<Iterable<Dirent>> {
    // An open directory whose name is gone is empty: nothing can be removed from it while something is in it.
    if (!node.reachable) return []
    return then(this.#ops.readdir!(node.path, open?.handle, request), (entries) => {
      const list: Dirent[] = [this.#dirent(node, '.'), this.#dirent(node.parent ?? node, '..')]
      for (const entry of entries) {
        const { name, ino, mode } = typeof entry === 'string' ? { name: entry } : entry
        const known = node.children.get(name)
        const type = mode === undefined ? (known?.type ?? 0) : mode & constants.S_IFMT
        list.push({ name, ino: ino ?? known?.givenIno ?? known?.ino ?? 0, type })
      }
      return list
    })
  }
  #dirent(node: PathNode<H>, name: string): Dirent {
    return { name, ino: node.givenIno ?? node.ino, type: constants.S_IFDIR }
  }
  releasedir(node: PathNode<H>, open: OpenPath<H>, request: p.ReleaseRequest): Maybe<void> {
    open.node.handles.delete(open)
    return this.#ops.releasedir?.(node.path, open.handle, request)
  }

  statfs(node: PathNode<H>, request: p.Request, reply: p.StatfsReply): Maybe<void> {
    return then(this.#ops.statfs!(node.path, request), (init) => reply.set(init))
  }
  getxattr(node: PathNode<H>, name: p.Name, request: p.GetxattrRequest, reply: p.XattrReply): Maybe<void> {
    return then(this.#ops.getxattr!(this.#path(node), name.toString(), request), (value) => {
      if (value === undefined) reply.fail(errno.ENODATA)
      else reply.value(typeof value === 'string' ? Buffer.from(value) : value)
    })
  }
  listxattr(node: PathNode<H>, request: p.ListxattrRequest, reply: p.XattrReply): Maybe<void> {
    return then(this.#ops.listxattr!(this.#path(node), request), (names) => {
      reply.value(Buffer.concat(Array.from(names, (name) => [p.encodeName(name), Buffer.alloc(1)]).flat()))
    })
  }
  setxattr(node: PathNode<H>, request: p.SetxattrRequest): Maybe<void> {
    const { name, value, flags } = request
    return this.#ops.setxattr!(this.#path(node), name.toString(), value, flags, request)
  }
  removexattr(node: PathNode<H>, name: p.Name, request: p.Request): Maybe<void> {
    return this.#ops.removexattr!(this.#path(node), name.toString(), request)
  }
}
