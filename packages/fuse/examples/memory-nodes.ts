// The inodes of the file system in memory. The kernel checks permissions (mountTree's default) and types, and refuses to
// rename a directory into itself; what is left is here.
import {
  type AttributeChanges,
  constants,
  encodeName,
  type FallocateRequest,
  FilesystemError,
  Inode,
  type ListedName,
  type ReadRequest,
  type SetattrRequest,
  type StatfsInit,
  type Time,
  type WriteRequest,
} from '@hawser/fuse'
import { SparseBytes } from './sparse-bytes.js'

const { S_IFDIR, S_IFLNK, S_IFMT, S_ISUID, S_ISGID } = constants
const { RENAME_NOREPLACE, RENAME_EXCHANGE, XATTR_CREATE, XATTR_REPLACE } = constants
// linux/falloc.h
const [PUNCH_HOLE, ZERO_RANGE] = [0x02, 0x10]
const S_IXGRP = 0o010
const NAME_MAX = 255
/** Bytes of a file, as ext4 has it. */
const SIZE_MAX = 2 ** 44 - 4096
const XATTR_MAX = 65536
const DAY = 86_400_000

export interface Owner {
  uid: number
  gid: number
}

/** How much may be stored, in pages of 4 KiB. */
export class Space {
  readonly pages: number
  used = 0
  constructor(bytes: number) {
    this.pages = Math.ceil(bytes / SparseBytes.pageSize)
  }
  /** Counts pages that come, or, if negative, go. */
  take(pages: number): void {
    if (pages > 0 && this.used + pages > this.pages) throw new FilesystemError('ENOSPC')
    this.used += pages
  }
}

/** What files of every kind have: owner, mode, times and extended attributes. */
export class MemoryNode extends Inode {
  readonly #xattrs = new Map<string, Buffer>()

  constructor(mode: number, owner: Owner, rdev = 0) {
    super(mode, owner)
    this.rdev = rdev
  }

  override setattr(changes: AttributeChanges, request: SetattrRequest): void {
    const { mode, uid, gid, atime, mtime } = changes
    if (uid !== undefined || gid !== undefined) this.dropPrivileges()
    if (changes.killSetId) this.clearSetId(request)
    if (mode !== undefined) this.mode = (this.mode & S_IFMT) | (mode & 0o7777)
    this.uid = uid ?? this.uid
    this.gid = gid ?? this.gid
    this.atime = atime ?? this.atime
    this.mtime = mtime ?? this.mtime
    this.ctime = new Date()
  }

  /** What runs with other rights is no longer what they were given to (Features.handleKillPriv). */
  protected clearSetId(by: Owner): void {
    this.mode &= ~S_ISUID
    // Where the group may not execute, the bit means mandatory locks, and only strangers take it away.
    const stranger = by.uid !== 0 && by.uid !== this.uid && by.gid !== this.gid
    if (this.mode & S_IXGRP || stranger) this.mode &= ~S_ISGID
  }
  protected dropPrivileges(): void {
    this.#xattrs.delete('security.capability')
  }

  override getxattr(name: string): Buffer | undefined {
    return this.#xattrs.get(name)
  }
  override listxattr(request: Owner): Iterable<string> {
    return [...this.#xattrs.keys()].filter((name) => request.uid === 0 || !name.startsWith('trusted.'))
  }
  override setxattr(name: string, value: Buffer, flags: number): void {
    // POSIX ACLs (system.*) would have to be inherited, and kept in step with the mode: that is not done here.
    if (!/^(user|trusted|security)\../.test(name)) throw new FilesystemError('EOPNOTSUPP')
    const exists = this.#xattrs.has(name)
    if (exists && flags & XATTR_CREATE) throw new FilesystemError('EEXIST')
    if (!exists && flags & XATTR_REPLACE) throw new FilesystemError('ENODATA')
    if (value.length > XATTR_MAX) throw new FilesystemError('E2BIG')
    // The request's memory is used again: keep a copy.
    this.#xattrs.set(name, Buffer.from(value))
    this.ctime = new Date()
  }
  override removexattr(name: string): void {
    if (!this.#xattrs.delete(name)) throw new FilesystemError('ENODATA')
    this.ctime = new Date()
  }
}

export class MemorySymlink extends MemoryNode {
  readonly #target: string
  constructor(target: string, owner: Owner) {
    super(S_IFLNK | 0o777, owner)
    this.#target = target
    this.size = encodeName(target).length
  }
  override readlink(): string {
    return this.#target
  }
}

export class MemoryFile extends MemoryNode {
  readonly #bytes = new SparseBytes()
  readonly #space: Space

  constructor(mode: number, owner: Owner, space: Space) {
    super(mode, owner)
    this.#space = space
    this.blocks = 0
  }

  override read(offset: number, size: number, _handle: unknown, request: ReadRequest): Buffer {
    // As relatime has it: a first time after each change, and once a day.
    const read = milliseconds(this.atime)
    const due = read <= milliseconds(this.mtime) || Date.now() - read > DAY
    if (due && !(request.flags & constants.O_NOATIME)) this.atime = new Date()
    return this.#bytes.read(offset, Math.max(0, Math.min(size, this.size - offset)))
  }

  override write(offset: number, data: Uint8Array, _handle: unknown, request: WriteRequest): void {
    if (offset + data.length > SIZE_MAX) throw new FilesystemError('EFBIG')
    if (request.killSetId) this.clearSetId(request)
    this.#change(this.#bytes.missingPages(offset, data.length), () => this.#bytes.write(offset, data))
    this.size = Math.max(this.size, offset + data.length)
  }

  override setattr(changes: AttributeChanges, request: SetattrRequest): void {
    const { size } = changes
    if (size !== undefined) {
      if (size > SIZE_MAX) throw new FilesystemError('EFBIG')
      this.dropPrivileges()
      if (size < this.size) this.#change(0, () => this.#bytes.truncate(size))
      this.size = size
      this.mtime = new Date()
    }
    super.setattr(changes, request)
  }

  override fallocate(
    offset: number,
    length: number,
    mode: number,
    _handle: unknown,
    request: FallocateRequest,
  ): void {
    const keepSize = (mode & constants.FALLOC_FL_KEEP_SIZE) !== 0
    const action = mode & ~constants.FALLOC_FL_KEEP_SIZE
    const end = offset + length
    if (end > SIZE_MAX) throw new FilesystemError('EFBIG')
    // Here the kernel does not say whether the caller may keep the bits.
    if (request.uid !== 0) this.clearSetId(request)
    if (action === PUNCH_HOLE && keepSize) this.#change(0, () => this.#bytes.clear(offset, length))
    else if (action === 0 || action === ZERO_RANGE) {
      this.#change(this.#bytes.missingPages(offset, length), () => {
        if (action === ZERO_RANGE) this.#bytes.clear(offset, length)
        this.#bytes.allocate(offset, length)
      })
      if (!keepSize) this.size = Math.max(this.size, end)
    } else throw new FilesystemError('EOPNOTSUPP')
  }

  override lseek(offset: number, whence: number): number {
    if (offset >= this.size) throw new FilesystemError('ENXIO')
    if (whence === constants.SEEK_HOLE) return Math.min(this.#bytes.nextHole(offset), this.size)
    const data = this.#bytes.nextData(offset)
    if (data === undefined || data >= this.size) throw new FilesystemError('ENXIO')
    return data
  }

  /** The pages of a file that has neither a name nor a user any more. */
  override forgotten(): void {
    if (this.nlink === 0) this.#change(0, () => this.#bytes.truncate(0))
  }

  #change(newPages: number, change: () => void): void {
    this.dropPrivileges()
    const before = this.#bytes.pages
    this.#space.take(newPages)
    change()
    // Counted exactly: some pages were there already, others have gone.
    this.#space.take(this.#bytes.pages - before - newPages)
    this.blocks = (this.#bytes.pages * SparseBytes.pageSize) / 512
    this.mtime = new Date()
    this.ctime = this.mtime
  }
}

export class MemoryDirectory extends MemoryNode {
  readonly #entries = new Map<string, MemoryNode>()
  readonly #space: Space
  #parent: MemoryDirectory = this

  constructor(permissions: number, owner: Owner, space: Space) {
    super(S_IFDIR | permissions, owner)
    this.nlink = 2
    this.#space = space
  }

  override lookup(name: string): MemoryNode | undefined {
    if (encodeName(name).length > NAME_MAX) throw new FilesystemError('ENAMETOOLONG')
    return this.#entries.get(name)
  }
  override readdir(): Iterable<ListedName> {
    return [['..', this.#parent], ...this.#entries]
  }
  override statfs(): StatfsInit {
    const { pages, used } = this.#space
    return { blocks: pages, bfree: pages - used, bsize: SparseBytes.pageSize, namelen: NAME_MAX }
  }

  override create(name: string, mode: number, request: Owner): MemoryNode {
    return this.#add(name, new MemoryFile(mode, this.#owner(request), this.#space))
  }
  override mknod(name: string, mode: number, rdev: number, request: Owner): MemoryNode {
    return this.#add(name, new MemoryNode(mode, this.#owner(request), rdev))
  }
  override mkdir(name: string, mode: number, request: Owner): MemoryNode {
    const inherited = this.mode & S_ISGID
    const permissions = (mode & 0o7777) | inherited
    return this.#add(name, new MemoryDirectory(permissions, this.#owner(request), this.#space))
  }
  override symlink(name: string, target: string, request: Owner): MemoryNode {
    return this.#add(name, new MemorySymlink(target, this.#owner(request)))
  }
  override tmpfile(mode: number, request: Owner): MemoryNode {
    const file = new MemoryFile(mode, this.#owner(request), this.#space)
    file.nlink = 0
    return file
  }
  override link(name: string, inode: MemoryNode): void {
    this.#put(name, inode)
    inode.nlink++
    inode.ctime = new Date()
  }

  override unlink(name: string): void {
    this.#drop(name)
  }
  override rmdir(name: string): void {
    this.#drop(name)
  }

  override rename(name: string, to: MemoryDirectory, newName: string, flags: number): void {
    if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) throw new FilesystemError('EINVAL')
    const moved = this.#entry(name)
    const replaced = to.#entries.get(newName)
    if (flags & RENAME_EXCHANGE) {
      const other = to.#entry(newName)
      this.#take(name)
      to.#take(newName)
      to.#put(newName, moved)
      this.#put(name, other)
      other.ctime = new Date()
    } else {
      if (replaced && flags & RENAME_NOREPLACE) throw new FilesystemError('EEXIST')
      // Two names of one file: rename(2) does nothing.
      if (replaced === moved) return
      if (replaced) to.#drop(newName)
      this.#take(name)
      to.#put(newName, moved)
    }
    moved.ctime = new Date()
  }

  /** New files belong to the caller; in a set-group-ID directory, to the directory's group. */
  #owner({ uid, gid }: Owner): Owner {
    return { uid, gid: this.mode & S_ISGID ? this.gid : gid }
  }
  #entry(name: string): MemoryNode {
    const node = this.#entries.get(name)
    if (!node) throw new FilesystemError('ENOENT')
    return node
  }
  #add(name: string, node: MemoryNode): MemoryNode {
    if (this.#entries.has(name)) throw new FilesystemError('EEXIST')
    this.#put(name, node)
    return node
  }
  #put(name: string, node: MemoryNode): void {
    if (encodeName(name).length > NAME_MAX) throw new FilesystemError('ENAMETOOLONG')
    this.#entries.set(name, node)
    // A directory's '..' is a link to its parent.
    if (node instanceof MemoryDirectory) {
      this.nlink++
      node.#parent = this
    }
    this.#changed()
  }
  #take(name: string): MemoryNode {
    const node = this.#entry(name)
    this.#entries.delete(name)
    if (node instanceof MemoryDirectory) this.nlink--
    this.#changed()
    return node
  }
  /** Takes a name away for good. */
  #drop(name: string): void {
    const node = this.#entry(name)
    if (node instanceof MemoryDirectory) {
      if (node.#entries.size > 0) throw new FilesystemError('ENOTEMPTY')
      node.nlink = 0
    } else node.nlink--
    node.ctime = new Date()
    this.#take(name)
  }
  #changed(): void {
    this.mtime = new Date()
    this.ctime = this.mtime
  }
}

function milliseconds(time: Time): number {
  return time instanceof Date ? time.getTime() : time.seconds * 1000 + time.nanoseconds / 1e6
}
