import {
  type Attributes,
  type CreateRequest,
  constants as c,
  checked,
  errno,
  FilesystemError,
  type LinkRequest,
  type MkdirRequest,
  type MknodRequest,
  type Name,
  native,
  type RenameRequest,
  type Request,
  type SymlinkRequest,
  sys,
} from '@hawser/fuse'
import type { Credentials } from './credentials.js'
import { Identity } from './identity.js'
import { memory, text } from './memory.js'
import { Resolver } from './resolver.js'

const EMPTY = text('')
const HERE = text('.')
/** The longest symlink target and path (linux/limits.h). */
const PATH_MAX = 4096

/** The kernel sends one component and resolves . and .. itself; from anybody else they would lead out of the source. */
function checkName(name: Name): void {
  const { memory: bytes, start, end } = name
  const dots = end - start
  if (dots === 0 || (bytes[start] === 0x2e && (dots === 1 || (dots === 2 && bytes[start + 1] === 0x2e))))
    throw new FilesystemError('EINVAL')
  for (let at = start; at < end; at++) if (bytes[at] === 0x2f) throw new FilesystemError('EINVAL')
}

/** Names in directories: found, made, moved, removed. */
export class NameOperations {
  readonly #resolver: Resolver
  readonly #credentials: Credentials
  readonly #target = memory(PATH_MAX)

  constructor(resolver: Resolver, credentials: Credentials) {
    this.#resolver = resolver
    this.#credentials = credentials
  }

  lookup(parent: number, name: Name, attr: Attributes): number | undefined {
    checkName(name)
    const directory = this.#resolver.pathFd(parent)
    const node = this.#known(parent, directory, name, attr)
    if (node !== undefined) this.#resolver.ensureHandle(node, directory, name)
    return node
  }

  /** The node of an existing name; undefined: there is none. */
  #known(parent: number, directory: number, name: Name, attr: Attributes): number | undefined {
    const result = this.#resolver.statName(directory, name.address, attr.address)
    if (result < 0) {
      if (result === -errno.ENOENT) return undefined
      throw new FilesystemError(-result)
    }
    return this.#intern(parent, name, attr)
  }

  #made(parent: number, directory: number, name: Name, attr: Attributes): number {
    const node = this.#known(parent, directory, name, attr)
    if (node === undefined) throw new FilesystemError('ENOENT')
    return node
  }

  #intern(parent: number, name: Name | undefined, attr: Attributes): number {
    const resolver = this.#resolver
    const node = resolver.intern(parent, name)
    attr.inoHigh = Resolver.inoHigh(attr.inoHigh, resolver.nodes.device(node))
    return node
  }

  mkdir(parent: number, request: MkdirRequest, attr: Attributes): number {
    checkName(request.name)
    const directory = this.#resolver.pathFd(parent)
    const { name, mode, umask } = request
    checked(this.#credentials.create(request, umask, sys.mkdirat, directory, name.address, mode))
    return this.#made(parent, directory, name, attr)
  }

  mknod(parent: number, request: MknodRequest, attr: Attributes): number {
    checkName(request.name)
    const directory = this.#resolver.pathFd(parent)
    const { name, mode, umask, rdev } = request
    const type = mode & c.S_IFMT
    const device = type === c.S_IFCHR || type === c.S_IFBLK
    // Devices are made with the server's privilege (the kernel has checked the caller's), then given to the caller.
    if (device && (request.uid !== 0 || request.gid !== 0) && this.#credentials.privileged) {
      checked(native.syscallAs(0, 0, 0, 0, umask, sys.mknodat, directory, name.address, mode, rdev))
      checked(this.#resolver.stat(directory, 0, 0))
      // Of a set-group-ID directory it has the group already.
      const inherits = (this.#resolver.identity.words[Identity.MODE] & c.S_ISGID) !== 0
      const gid = inherits ? -1 : request.gid
      native.syscall(sys.fchownat, directory, name.address, request.uid, gid, c.AT_SYMLINK_NOFOLLOW)
    } else
      checked(
        this.#credentials.create(
          request,
          umask,
          sys.mknodat,
          directory,
          name.address,
          mode,
          device ? rdev : 0,
        ),
      )
    return this.#made(parent, directory, name, attr)
  }

  symlink(parent: number, request: SymlinkRequest, attr: Attributes): number {
    checkName(request.name)
    const directory = this.#resolver.pathFd(parent)
    const { name, target } = request
    checked(this.#credentials.create(request, 0, sys.symlinkat, target.address, directory, name.address))
    return this.#made(parent, directory, name, attr)
  }

  link(target: number, newParent: number, request: LinkRequest, attr: Attributes): number {
    checkName(request.name)
    const resolver = this.#resolver
    const directory = resolver.pathFd(newParent)
    const from = resolver.pathFd(target)
    const { name } = request
    let result = native.syscall(sys.linkat, from, EMPTY.address, directory, name.address, c.AT_EMPTY_PATH)
    // Without CAP_DAC_READ_SEARCH: by the descriptor's own path.
    if (result === -errno.ENOENT || result === -errno.EPERM)
      result = native.syscall(
        sys.linkat,
        c.AT_FDCWD,
        resolver.call.path.of(from),
        directory,
        name.address,
        c.AT_SYMLINK_FOLLOW,
      )
    checked(result)
    return this.#made(newParent, directory, name, attr)
  }

  unlink(parent: number, name: Name, flags: number): void {
    checkName(name)
    const resolver = this.#resolver
    const directory = resolver.pathFd(parent)
    const node = resolver.hold(parent, directory, name)
    const result = native.syscall(sys.unlinkat, directory, name.address, flags)
    if (result < 0) {
      resolver.letGo(node)
      throw new FilesystemError(-result)
    }
    if (node !== 0 && resolver.nodes.isNamed(node, parent, name)) resolver.nodes.unname(node)
  }

  rename(parent: number, newParent: number, request: RenameRequest): void {
    const resolver = this.#resolver
    const { nodes } = resolver
    const { name, newName, flags } = request
    checkName(name)
    checkName(newName)
    const from = resolver.pathFd(parent)
    const to = resolver.pathFd(newParent)
    const exchanged = (flags & c.RENAME_EXCHANGE) !== 0
    const replaced = exchanged || flags & c.RENAME_NOREPLACE ? 0 : resolver.hold(newParent, to, newName)
    const result = native.syscall(sys.renameat2, from, name.address, to, newName.address, flags)
    if (result < 0) {
      resolver.letGo(replaced)
      throw new FilesystemError(-result)
    }
    const moved = nodes.recall(parent, name) || this.#nodeAt(to, newName)
    let forgotten = nodes.recall(newParent, newName)
    if (exchanged) forgotten ||= this.#nodeAt(from, name)
    else if (replaced !== 0 && nodes.isNamed(replaced, newParent, newName)) forgotten = replaced
    // Two names of one file: rename(2) changes nothing.
    if (replaced !== 0 && replaced === moved && !exchanged) return
    if (exchanged) {
      if (forgotten !== 0) nodes.setName(forgotten, parent, name)
      if (moved !== 0) nodes.setName(moved, newParent, newName)
      return
    }
    if (forgotten !== 0) nodes.unname(forgotten)
    if (moved !== 0) nodes.setName(moved, newParent, newName)
  }

  /** The node of what a name leads to, 0 where the kernel does not know it. */
  #nodeAt(directory: number, name: Name): number {
    const resolver = this.#resolver
    if (resolver.statName(directory, name.address) < 0) return 0
    const { words } = resolver.identity
    return resolver.nodes.find(words, 0, resolver.deviceOf(words, 0))
  }

  /** Opens a new or existing file; returns its descriptor, with its attributes and identity looked at. */
  create(
    parent: number,
    request: CreateRequest,
    attr: Attributes,
    unnamed: boolean,
  ): { node: number; handle: number } {
    const resolver = this.#resolver
    if (!unnamed) checkName(request.name)
    const directory = resolver.pathFd(parent)
    // O_PATH would turn O_CREAT off.
    const flags = (request.flags & ~(c.O_NOFOLLOW | c.O_PATH)) | c.O_CLOEXEC | c.O_NONBLOCK
    const fd = this.#credentials.create(
      request,
      request.umask,
      sys.openat,
      directory,
      unnamed ? HERE.address : request.name.address,
      flags | (unnamed ? c.O_TMPFILE : c.O_CREAT | c.O_NOFOLLOW),
      request.mode,
      attr.address,
      resolver.identity.address,
      resolver.eagerHandles ? 1 : 0,
    )
    if (fd < 0) throw new FilesystemError(-fd)
    return { node: this.#intern(unnamed ? 0 : parent, unnamed ? undefined : request.name, attr), handle: fd }
  }

  readlink(node: number, _request: Request): Buffer {
    const target = this.#target
    const result = checked(
      native.syscall(sys.readlinkat, this.#resolver.pathFd(node), EMPTY.address, target.address, PATH_MAX),
    )
    return target.bytes.subarray(0, result)
  }
}
