import { constants } from '../native.js'
import type * as p from '../protocol/index.js'
import { Inode, type InodeInit, type ListedName } from './inode.js'
import type { Maybe, Optional } from './operations.js'

// Inodes whose content lies in memory, to be used as they are or extended.

/** A regular file; with its content, unless a subclass defines `read`. */
export class File extends Inode {
  #content: Uint8Array

  constructor(content: Uint8Array | string = '', init: InodeInit = {}) {
    super(constants.S_IFREG | 0o444, init)
    this.#content = typeof content === 'string' ? Buffer.from(content) : content
    this.size = this.#content.length
  }

  get content(): Uint8Array {
    return this.#content
  }
  /** New content: size and times change with it. Callers see it when the kernel's attributes have expired, or are invalidated. */
  set content(content: Uint8Array | string) {
    this.#content = typeof content === 'string' ? Buffer.from(content) : content
    this.size = this.#content.length
    this.mtime = new Date()
    this.ctime = this.mtime
  }

  override read(
    offset: number,
    size: number,
    _handle: unknown,
    _request: p.ReadRequest,
    _reply: p.ReadReply,
  ): Optional<Uint8Array | string> {
    return this.#content.subarray(offset, offset + size)
  }
}

/** Inodes that have been in a directory: one that has not counts one link already. */
const named = new WeakSet<Inode>()

/** A directory; with a map of its children, unless a subclass defines `lookup` and `readdir`. */
export class Directory extends Inode {
  readonly #children = new Map<string, Inode>()
  #parent: Inode = this

  constructor(
    children: Readonly<Record<string, Inode>> | Iterable<readonly [string, Inode]> = {},
    init: InodeInit = {},
  ) {
    super(constants.S_IFDIR | 0o555, init)
    this.nlink = 2
    const { mtime, ctime } = this
    const entries = Symbol.iterator in children ? children : Object.entries(children)
    for (const [name, inode] of entries as Iterable<readonly [string, Inode]>) this.add(name, inode)
    this.mtime = mtime
    this.ctime = ctime
  }

  get children(): ReadonlyMap<string, Inode> {
    return this.#children
  }

  /** Gives an inode a name here, in place of what had it; links are counted. */
  add(name: string, inode: Inode): void {
    this.remove(name)
    this.#children.set(name, inode)
    if (inode.isDirectory) {
      this.nlink++
      if (inode instanceof Directory) inode.#parent = this
      if (inode.nlink === 0) inode.nlink = 2
    } else if (named.has(inode)) inode.nlink++
    named.add(inode)
    this.#changed(inode)
  }

  /** Takes a name away; false where there is none. */
  remove(name: string): boolean {
    const inode = this.#children.get(name)
    if (!inode) return false
    this.#children.delete(name)
    if (inode.isDirectory) {
      this.nlink--
      inode.nlink = 0
    } else inode.nlink--
    this.#changed(inode)
    return true
  }

  #changed(inode: Inode): void {
    const now = new Date()
    this.mtime = now
    this.ctime = now
    inode.ctime = now
  }

  override lookup(name: string, _request: p.Request): Maybe<Inode | undefined> {
    return this.#children.get(name)
  }
  override readdir(_request: p.Request): Maybe<Iterable<ListedName>> {
    return [['..', this.#parent], ...this.#children]
  }
}

/** A symbolic link. */
export class Symlink extends Inode {
  readonly target: string

  constructor(target: string, init: InodeInit = {}) {
    super(constants.S_IFLNK | 0o777, init)
    this.target = target
    this.size = Buffer.byteLength(target)
  }

  override readlink(_request: p.Request): Maybe<string> {
    return this.target
  }
}
