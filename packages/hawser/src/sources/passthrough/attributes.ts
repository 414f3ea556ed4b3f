import {
  type Attributes,
  constants as c,
  checked,
  errno,
  FilesystemError,
  native,
  offload,
  type Request,
  type SetattrRequest,
  SetattrValid,
  type SettableTime,
  type StatxReply,
  type StatxRequest,
  sys,
} from '@hawser/fuse'
import type { Credentials } from './credentials.js'
import { Identity } from './identity.js'
import { memory, text } from './memory.js'
import type { PassthroughOptions } from './options.js'
import { LARGE_FILE, Resolver } from './resolver.js'

const EMPTY = text('')

/** Attributes of files: read, changed, shown as the options want. */
export class AttributeOperations {
  readonly #resolver: Resolver
  readonly #credentials: Credentials
  readonly #options: PassthroughOptions
  /** Nothing is shown otherwise than it is. */
  readonly #asItIs: boolean
  // struct timespec[2]
  readonly #times = memory(32)

  constructor(resolver: Resolver, credentials: Credentials, options: PassthroughOptions) {
    this.#resolver = resolver
    this.#credentials = credentials
    this.#options = options
    const { uid, gid, umask } = options
    this.#asItIs = uid === undefined && gid === undefined && umask === undefined
  }

  /** Applies uid=, gid= and umask=. */
  show(attr: Attributes): void {
    const { uid, gid, umask } = this.#options
    if (uid !== undefined) attr.uid = uid
    if (gid !== undefined) attr.gid = gid
    if (umask !== undefined) attr.mode &= ~umask
  }

  get(node: number, attr: Attributes, fd: number | undefined): void {
    const resolver = this.#resolver
    const known = fd ?? resolver.anyFd(node)
    // As it is: the reply takes it from the descriptor on its way out.
    if (known >= 0 && this.#asItIs && resolver.nodes.device(node) === 0) return attr.descriptor(known)
    this.#getNow(node, attr, fd)
  }

  #getNow(node: number, attr: Attributes, fd: number | undefined): void {
    const resolver = this.#resolver
    if (fd === undefined) resolver.attributes(node, attr)
    else {
      checked(native.statAt(fd, EMPTY.address, c.AT_EMPTY_PATH, attr.address, 0, 0))
      attr.inoHigh = Resolver.inoHigh(attr.inoHigh, resolver.nodes.device(node))
    }
    this.show(attr)
  }

  statx(node: number, request: StatxRequest, reply: StatxReply, fd: number | undefined): void {
    const { address } = reply
    const from = fd ?? this.#resolver.pathFd(node)
    checked(
      native.syscall(
        sys.statx,
        from,
        EMPTY.address,
        c.AT_EMPTY_PATH | (request.statxFlags & 0x6000),
        request.mask,
        address,
      ),
    )
    const words = reply.message.output
    // struct statx begins at word 12 of the reply: uid 5, gid 6, mode 7 (16 bits), ino 8.
    words[12 + 9] = Resolver.inoHigh(words[12 + 9], this.#resolver.nodes.device(node))
    const { uid, gid, umask } = this.#options
    if (uid !== undefined) words[12 + 5] = uid
    if (gid !== undefined) words[12 + 6] = gid
    if (umask !== undefined) words[12 + 7] &= ~umask
  }

  set(node: number, request: SetattrRequest, attr: Attributes, fd: number | undefined): void | Promise<void> {
    const { valid } = request
    // A write may have left it off; whether bits go is decided here and by the kernel.
    this.#credentials.keepSetId(true)
    const open = fd ?? this.#resolver.nodes.openFd(node)
    const target = open >= 0 ? open : this.#resolver.pathFd(node)
    if (valid & SetattrValid.MODE)
      checked(this.#resolver.call.chmod(target, open >= 0, request.mode & 0o7777))
    if (valid & (SetattrValid.UID | SetattrValid.GID)) this.#setOwner(target, request)
    if (valid & SetattrValid.SIZE) {
      const waiting = this.#setSize(target, fd, request)
      if (waiting)
        return waiting.then((result) => {
          checked(result)
          // Meanwhile the descriptor may have been given up.
          this.#setTimes(node, fd ?? this.#resolver.pathFd(node), fd !== undefined, request)
          this.#getNow(node, attr, fd)
        })
    }
    this.#setTimes(node, target, open >= 0, request)
    this.get(node, attr, open >= 0 ? open : undefined)
  }

  #setOwner(target: number, request: SetattrRequest): void {
    const { uid: shownUid, gid: shownGid } = this.#options
    let uid = request.valid & SetattrValid.UID ? request.newUid : -1
    let gid = request.valid & SetattrValid.GID ? request.newGid : -1
    // Owners that are shown instead of the real ones cannot be changed; what changes nothing is allowed.
    if (shownUid !== undefined && uid !== -1) {
      if (uid !== shownUid) throw new FilesystemError('EPERM')
      uid = -1
    }
    if (shownGid !== undefined && gid !== -1) {
      if (gid !== shownGid) throw new FilesystemError('EPERM')
      gid = -1
    }
    checked(
      native.syscall(sys.fchownat, target, EMPTY.address, uid, gid, c.AT_EMPTY_PATH | c.AT_SYMLINK_NOFOLLOW),
    )
  }

  /** Shortening a large file frees its blocks, which may take long: then by another thread. */
  #setSize(target: number, fd: number | undefined, request: SetattrRequest): Promise<number> | undefined {
    const resolver = this.#resolver
    const { size } = request
    checked(resolver.stat(target, 0, 0))
    const { words } = resolver.identity
    const before = words[Identity.SIZE_LOW] + words[Identity.SIZE_HIGH] * 4294967296
    if (request.killSetId) this.#killSetId(target, fd !== undefined, request)
    if (before - size < LARGE_FILE) {
      checked(this.#truncate(target, fd, size))
      return undefined
    }
    if (fd !== undefined) return offload(undefined, sys.ftruncate, fd, size)
    const opened = resolver.call.reopen(target, c.O_WRONLY)
    if (opened < 0) throw new FilesystemError(-opened)
    return offload(undefined, sys.ftruncate, opened, size).then((result) => {
      native.syscall(sys.close, opened)
      return result
    })
  }

  /** What O_TRUNC does to an open file; emptying a large one is left to another thread. */
  empty(fd: number, looked: boolean, request: Request & { killSetId: boolean }): Promise<void> | undefined {
    const resolver = this.#resolver
    if (!looked) checked(resolver.stat(fd, 0, 0))
    if (!resolver.lookedLarge()) {
      checked(native.syscall(sys.ftruncate, fd, 0))
      return undefined
    }
    if (request.killSetId) this.#killSetId(fd, true, request)
    return offload(undefined, sys.ftruncate, fd, 0).then((result) => {
      checked(result)
    })
  }

  #truncate(target: number, fd: number | undefined, size: number): number {
    return fd === undefined
      ? native.syscall(sys.truncate, this.#resolver.call.path.of(target), size)
      : native.syscall(sys.ftruncate, fd, size)
  }

  /** Clears set-id bits as the caller's change asks; `resolver.identity` has just been filled. */
  #killSetId(target: number, open: boolean, request: Request): void {
    const { words } = this.#resolver.identity
    const mode = words[Identity.MODE]
    if (!this.#credentials.privileged || (mode & (c.S_ISUID | c.S_ISGID)) === 0) return
    const kept = this.#credentials.modeAfterChange(request, mode, words[Identity.GID])
    if (kept !== (mode & 0o7777)) checked(this.#resolver.call.chmod(target, open, kept))
  }

  /** Clears set-id bits of an open file, for work that other threads will do with full privilege. */
  clearSetId(fd: number, request: Request): void {
    if (this.#credentials.privileged && this.#resolver.stat(fd, 0, 0) === 0)
      this.#killSetId(fd, true, request)
  }

  #setTimes(node: number, target: number, open: boolean, request: SetattrRequest): void {
    const { atime, mtime } = request
    if (!atime && !mtime) return
    this.#putTime(0, atime)
    this.#putTime(4, mtime)
    const { call, nodes } = this.#resolver
    const result = call.utimens(target, open, this.#times.address)
    if (result === -errno.ENOENT && nodes.isUnnamed(node)) throw new FilesystemError('ESTALE')
    checked(result)
  }

  /** Fills in a struct timespec; its nanoseconds' upper half stays 0. */
  #putTime(at: number, time: SettableTime | undefined): void {
    const { words } = this.#times
    const seconds = time && !time.now ? time.seconds : 0
    words[at] = seconds >>> 0
    words[at + 1] = Math.floor(seconds / 4294967296)
    words[at + 2] = !time ? c.UTIME_OMIT : time.now ? c.UTIME_NOW : time.nanoseconds
  }
}
