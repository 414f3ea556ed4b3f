import { type Attributes, constants as c, errno, FilesystemError, type Name, native, sys } from '@hawser/fuse'
import { ByDescriptor } from './by-descriptor.js'
import { DescriptorCache } from './descriptor-cache.js'
import { type FilesystemKind, isOverlay } from './filesystem-kind.js'
import { Identities, Identity } from './identity.js'
import { memory, text } from './memory.js'
import { PassthroughNodes } from './node-table.js'
import { GuardedOpen, type SourceRoot } from './source-root.js'

/** O_PATH descriptors kept for nodes in use, whatever their number. */
const CACHED_DESCRIPTORS = 1024
/** An unlinked file's blocks are freed when its last descriptor is closed; from this size on, another thread waits for that. */
export const LARGE_FILE = 1 << 20

/** MAX_HANDLE_SZ, open_by_handle_at(2). */
const HANDLE_MAX = 128
const EMPTY = text('')
const HERE = text('.')
const NOFOLLOW = () => c.AT_SYMLINK_NOFOLLOW | c.AT_NO_AUTOMOUNT

interface Device {
  major: number
  minor: number
  /** A directory on it, open for reading: what open_by_handle_at(2) starts from. */
  fd: number
}

/** Finds the files of a source: nodes by name, descriptors by node. */
export class Resolver {
  readonly nodes = new PassthroughNodes()
  readonly cache = new DescriptorCache(this.nodes, CACHED_DESCRIPTORS)
  readonly root: SourceRoot
  readonly call = new ByDescriptor()
  /** The identity of the file that was looked at last. */
  readonly identity = new Identities(1)
  /** Whether `identity` is that of the file that `open` opened last. */
  looked = false
  readonly #crossMounts: boolean
  readonly #devices: Device[]
  readonly #guarded = new GuardedOpen()
  readonly #handle = memory(8 + 128)
  /** Whether handles come with every look at a file, 0 or 1; otherwise a node gets its handle when it is looked up once more. */
  readonly #wantHandle: number
  readonly #mountId = memory(4)

  /**
   * @param kind where files are in memory, handles cost more than all the rest of a lookup (shmem_encode_fh takes a lock)
   * @param byHandle whether nodes are to be found by handle, so that each must have one
   */
  constructor(root: SourceRoot, crossMounts: boolean, kind: FilesystemKind, byHandle: boolean) {
    this.root = root
    this.#crossMounts = crossMounts
    this.#devices = [{ major: root.devMajor, minor: root.devMinor, fd: root.fd }]
    this.#wantHandle = root.handleNames && (kind !== 'memory' || byHandle) ? 1 : 0
    if (byHandle) this.nodes.indexHandles()
    this.nodes.births = !isOverlay(root.fd)
    this.stat(root.fd)
    this.nodes.intern(this.identity.words, 0, 0, 0, undefined)
  }

  get eagerHandles(): boolean {
    return this.#wantHandle === 1
  }

  /** Looks at an open descriptor: fills `identity`, and `attr` where given. Returns 0 or a negated errno. */
  stat(fd: number, attr = 0, handle = this.#wantHandle): number {
    return native.statAt(fd, EMPTY.address, c.AT_EMPTY_PATH, attr, this.identity.address, handle)
  }

  /** Looks at a name; as `stat`. */
  statName(directory: number, name: number, attr = 0): number {
    if (this.root.isolated || this.#crossMounts)
      return native.statAt(directory, name, NOFOLLOW(), attr, this.identity.address, this.#wantHandle)
    // Without a mount of our own, statx(2) might walk into our mount: the guarded open refuses (EXDEV).
    const fd = this.#guarded.open(directory, name, c.O_PATH, false)
    if (fd < 0) return fd
    const result = this.stat(fd, attr)
    native.syscall(sys.close, fd)
    return result
  }

  /** The node of the file that `stat` or `statName` looked at; new ones are remembered under `name` in `parent`. */
  intern(parent: number, name: Name | undefined): number {
    return this.nodes.intern(this.identity.words, 0, this.deviceOf(this.identity.words, 0), parent, name)
  }

  /** Gives a node that was found under a name its file handle, where it has none yet. */
  ensureHandle(node: number, directory: number, name: Name): void {
    const { nodes, identity } = this
    if (this.#wantHandle === 1 || !this.root.handles || nodes.hasHandle(node)) return
    const { words } = identity
    words[Identity.HANDLE_BYTES] = HANDLE_MAX
    const handle = identity.address + Identity.HANDLE_BYTES * 4
    if (
      native.syscall(sys.name_to_handle_at, directory, name.address, handle, this.#mountId.address, 0) === 0
    )
      nodes.setHandle(node, words, 0)
  }

  /** Index of an identity's device; 0 is the root's. */
  deviceOf(words: Uint32Array, at: number): number {
    const major = words[at + Identity.DEV_MAJOR]
    const minor = words[at + Identity.DEV_MINOR]
    const devices = this.#devices
    for (let index = 0; index < devices.length; index++)
      if (devices[index].major === major && devices[index].minor === minor) return index
    if (devices.length > 0xffff) throw new FilesystemError('EOVERFLOW')
    devices.push({ major, minor, fd: -1 })
    return devices.length - 1
  }

  /** A directory of a device that is open for reading was seen. */
  offerDevice(node: number, fd: number): void {
    const device = this.#devices[this.nodes.device(node)]
    if (device.fd < 0) device.fd = native.syscall(sys.fcntl, fd, c.F_DUPFD_CLOEXEC, 0)
  }

  /** Each device has its own part of the inode number space. */
  static inoHigh(high: number, device: number): number {
    return device === 0 ? high : (high ^ (device << 16)) >>> 0
  }

  /** An O_PATH descriptor of a node, or its own where one is open. It stays the resolver's. Throws ESTALE where the file is gone. */
  pathFd(node: number): number {
    if (node === 1) return this.root.fd
    const cached = this.cache.get(node)
    if (cached >= 0) return cached
    const open = this.nodes.openFd(node)
    if (open >= 0) return open
    const fd = this.#reopen(node)
    if (fd < 0) throw new FilesystemError(-fd)
    this.cache.put(node, fd)
    return fd
  }

  /** A new O_PATH descriptor of a node, -ESTALE or another negated errno. */
  #reopen(node: number): number {
    const { nodes } = this
    // By names from the nearest directory that can be reached otherwise. What lies between is not kept: in a deep tree it would
    // push out everything else.
    const way: number[] = []
    let fd = -1
    let borrowed = false
    for (let at = node; fd < 0; at = nodes.parent(at)) {
      if (at !== node) fd = this.anyFd(at)
      borrowed = fd >= 0
      if (!borrowed) fd = this.#openByHandle(at)
      if (fd >= 0) break
      if (fd === -errno.ESTALE || nodes.isUnnamed(at)) return -errno.ESTALE
      way.push(at)
    }
    for (let next = way.pop(); next !== undefined; next = way.pop()) {
      const directory = fd
      fd = this.#openAndLook(directory, nodes.nameAddress(next), c.O_PATH, this.#wantHandle)
      if (!borrowed) native.syscall(sys.close, directory)
      borrowed = false
      if (fd < 0) return fd === -errno.ENOENT || fd === -errno.ENOTDIR ? -errno.ESTALE : fd
      if (!nodes.is(next, this.identity.words, 0, this.deviceOf(this.identity.words, 0))) {
        native.syscall(sys.close, fd)
        return -errno.ESTALE
      }
    }
    return fd
  }

  /** -ENOTSUP: it has no handle, or that cannot be used. */
  #openByHandle(node: number): number {
    const { nodes } = this
    if (this.root.handles && nodes.copyHandle(node, this.#handle.words, this.#handle.bytes)) {
      const device = this.#devices[nodes.device(node)]
      if (device.fd >= 0) {
        const fd = native.syscall(
          sys.open_by_handle_at,
          device.fd,
          this.#handle.address,
          c.O_PATH | c.O_CLOEXEC,
        )
        if (fd >= 0 || fd === -errno.ESTALE) return fd
      }
    }
    return -errno.ENOTSUP
  }

  /** openat(2) of one name, following nothing. */
  openName(directory: number, name: number, flags: number): number {
    if (this.root.isolated || this.#crossMounts)
      return native.syscall(sys.openat, directory, name, flags | c.O_NOFOLLOW | c.O_CLOEXEC, 0)
    return this.#guarded.open(directory, name, flags, false)
  }

  /** `openName` and `stat` of what it opened. */
  #openAndLook(directory: number, name: number, flags: number, handle: number): number {
    const { address } = this.identity
    if (this.root.isolated || this.#crossMounts)
      return native.openAt(directory, name, flags | c.O_NOFOLLOW | c.O_CLOEXEC, 0, address, handle)
    const fd = this.#guarded.open(directory, name, flags, false)
    if (fd < 0) return fd
    const result = this.stat(fd, 0, handle)
    if (result === 0) return fd
    native.syscall(sys.close, fd)
    return result
  }

  /** Fills in a node's attributes. */
  attributes(node: number, attr: Attributes): void {
    const fd = this.anyFd(node)
    let result: number
    if (fd >= 0) result = native.statAt(fd, EMPTY.address, c.AT_EMPTY_PATH, attr.address, 0, 0)
    else {
      const { nodes } = this
      result = -errno.ESTALE
      if (!nodes.isUnnamed(node)) {
        result = this.statName(this.pathFd(nodes.parent(node)), nodes.nameAddress(node), attr.address)
        if (result === 0 && !nodes.is(node, this.identity.words, 0, this.deviceOf(this.identity.words, 0)))
          result = -errno.ESTALE
      }
      if (result < 0)
        result = native.statAt(this.pathFd(node), EMPTY.address, c.AT_EMPTY_PATH, attr.address, 0, 0)
    }
    if (result < 0) throw new FilesystemError(-result)
    attr.inoHigh = Resolver.inoHigh(attr.inoHigh, this.nodes.device(node))
  }

  /** A descriptor of the node that there is already, or -1. It stays the resolver's. */
  anyFd(node: number): number {
    if (node === 1) return this.root.fd
    const cached = this.cache.get(node)
    return cached >= 0 ? cached : this.nodes.openFd(node)
  }

  /** Opens a node for reading or writing, without waiting for a lease to be given back (-EAGAIN). Never truncates another file. */
  open(node: number, flags: number): number {
    const { nodes } = this
    this.looked = false
    const type = nodes.type(node)
    if (type === c.S_IFDIR) {
      const directory = this.pathFd(node)
      const fd = native.syscall(sys.openat, directory, HERE.address, flags | c.O_CLOEXEC, 0)
      // A directory may be listed by who may not search it: its own name asks for less than the name of its '.'.
      return fd === -errno.EACCES ? this.call.reopen(directory, flags & ~c.O_NOFOLLOW) : fd
    }
    // Symlinks and special files are never opened: that could block, or leave the source.
    if (type !== c.S_IFREG) return -errno.ENXIO
    if ((flags & c.O_TRUNC) === 0 && !nodes.isUnnamed(node)) {
      const fd = this.#openByName(node, flags | c.O_NONBLOCK)
      if (fd >= 0 || fd === -errno.EAGAIN) return fd
    }
    return this.call.reopen(this.pathFd(node), (flags & ~c.O_NOFOLLOW) | c.O_NONBLOCK)
  }

  /** By its name, and a look whether that is still this file: half of what O_PATH descriptors and their paths cost. */
  #openByName(node: number, flags: number): number {
    const { nodes, identity } = this
    const fd = this.#openAndLook(
      this.pathFd(nodes.parent(node)),
      nodes.nameAddress(node),
      flags,
      this.#wantHandle,
    )
    if (fd < 0) return fd
    this.looked = nodes.is(node, identity.words, 0, this.deviceOf(identity.words, 0))
    if (this.looked) return fd
    native.syscall(sys.close, fd)
    return -errno.ESTALE
  }

  /** Whether the file that `stat` looked at last has so many blocks that freeing them takes long. */
  lookedLarge(): boolean {
    const { words } = this.identity
    return words[Identity.SIZE_HIGH] > 0 || words[Identity.SIZE_LOW] > LARGE_FILE
  }

  /**
   * Before a name goes away: makes sure that what it names can still be reached by those who hold it. Returns the node,
   * 0 where the kernel does not know the file.
   */
  hold(parent: number, directory: number, name: Name): number {
    const { nodes, cache } = this
    let node = nodes.recall(parent, name)
    if (node !== 0 && (nodes.openCount(node) > 0 || cache.isPinned(node))) return node
    let fd = node === 0 ? -1 : cache.take(node)
    if (fd < 0) fd = this.#openAndLook(directory, name.address, c.O_PATH, 0)
    else if (this.stat(fd, 0, 0) < 0) {
      native.syscall(sys.close, fd)
      fd = -1
    }
    if (fd < 0) return 0
    const { words } = this.identity
    const device = this.deviceOf(words, 0)
    // What has the name now may be another file than what the kernel knows by it.
    if (node === 0 || !nodes.is(node, words, 0, device)) node = nodes.find(words, 0, device, parent, name)
    if (node === 0 || nodes.openCount(node) > 0 || cache.isPinned(node)) {
      native.syscall(sys.close, fd)
      return node
    }
    const cached = cache.take(node)
    if (cached >= 0) {
      native.syscall(sys.close, fd)
      fd = cached
    }
    // With another link and a handle the file can be found again: no need to keep a descriptor for as long as it is known.
    if (
      words[Identity.NLINK] > 1 &&
      this.root.handles &&
      nodes.hasHandle(node) &&
      nodes.type(node) !== c.S_IFDIR
    )
      cache.put(node, fd)
    else cache.pin(node, fd, this.lookedLarge())
    return node
  }

  /** The name stays after all: a descriptor that `hold` has kept is one of many again. */
  letGo(node: number): void {
    const { nodes, cache } = this
    if (node !== 0 && cache.isPinned(node) && !nodes.isUnnamed(node)) cache.put(node, cache.take(node))
  }
}
