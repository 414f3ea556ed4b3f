// Requests as views on the bytes that the kernel wrote. Nothing is copied: a field is read when it is asked for.
// A request is valid until its handler returns; if that returns a promise, until the promise is settled.
//
// Numbers: nodeId and fh are this server's own and below 2^53. Offsets and sizes are exact below 2^53 (the session answers
// the rest itself). What is opaque (unique, lock owner, directory offsets) is given as two unsigned 32-bit halves.
import {
  EXTENSION_GROUPS,
  EXTENSION_SECURITY_CONTEXTS_MAX,
  FSYNC_DATASYNC,
  GETATTR_FH,
  LOCK_FLOCK,
  OPEN_KILL_SUIDGID,
  ReleaseFlag,
  SETXATTR_ACL_KILL_SGID,
  SetattrValid,
  WriteFlag,
} from './constants.js'
import { findNul } from './find-nul.js'
import type { Message } from './message.js'
import { Name } from './name.js'

const TWO_32 = 4294967296
/** Word index of a request's first argument. */
const ARGS = 10

function u64(words: Uint32Array, at: number): number {
  return words[at] + words[at + 1] * TWO_32
}

/** A time of SETATTR: a moment, or 'now' where the server's clock decides. */
export interface SettableTime {
  seconds: number
  nanoseconds: number
  now: boolean
}

export interface SecurityContext {
  name: string
  value: Buffer
}

/** What every request carries. uid, gid and pid are the caller's, as this server's namespaces see them. */
export class Request {
  readonly message: Message
  constructor(message: Message) {
    this.message = message
  }
  get opcode(): number {
    return this.message.input[1]
  }
  get nodeId(): number {
    return u64(this.message.input, 4)
  }
  get uid(): number {
    return this.message.input[6]
  }
  get gid(): number {
    return this.message.input[7]
  }
  /** The calling thread's id; 0 where it lives in a foreign pid namespace or the kernel itself asks. */
  get pid(): number {
    return this.message.input[8]
  }
  /** Fires when the caller is interrupted by a signal (FUSE_INTERRUPT). */
  get signal(): AbortSignal {
    const { message } = this
    if (!message.controller) {
      message.controller = new AbortController()
      if (message.interrupted) message.controller.abort()
    }
    return message.controller.signal
  }
  /** Bytes of the extensions at the end of the request. */
  protected get extensionBytes(): number {
    return (this.message.input[9] & 0xffff) * 8
  }
  protected get bodyEnd(): number {
    return this.message.length - this.extensionBytes
  }

  /** The supplementary group that CREATE_SUPP_GROUP names for a creation, or -1. */
  get supplementaryGroup(): number {
    let group = -1
    if (this.extensionBytes > 0)
      this.#extensions((type, start, end) => {
        if (type !== EXTENSION_GROUPS || start + 8 > end) return
        const bytes = this.message.inputBytes
        if (bytes.readUInt32LE(start) > 0) group = bytes.readUInt32LE(start + 4)
      })
    return group
  }

  /** The security labels that the kernel wants on a new file (SECURITY_CTX). */
  get securityContexts(): SecurityContext[] {
    const contexts: SecurityContext[] = []
    this.#extensions((type, start, end) => {
      if (type > EXTENSION_SECURITY_CONTEXTS_MAX) return
      const bytes = this.message.inputBytes
      for (let at = start, left = type; left > 0 && at + 8 <= end; left--) {
        const size = bytes.readUInt32LE(at)
        const nul = bytes.indexOf(0, at + 8)
        if (nul < 0 || nul + 1 + size > end) return
        contexts.push({
          name: bytes.toString('utf8', at + 8, nul),
          value: bytes.subarray(nul + 1, nul + 1 + size),
        })
        // Padded by its own length: the record may start anywhere.
        at += (nul + 1 + size - at + 7) & ~7
      }
    })
    return contexts
  }

  // Records of {size, type} follow what may be a name, hence unaligned. A security context record's own header repeats
  // its size and the number of contexts.
  #extensions(visit: (type: number, start: number, end: number) => void): void {
    const bytes = this.message.inputBytes
    for (let at = this.bodyEnd; at + 8 <= this.message.length; ) {
      const size = bytes.readUInt32LE(at)
      const type = bytes.readUInt32LE(at + 4)
      if (size < 8 || at + size > this.message.length) return
      visit(type, at + 8, at + size)
      at += (size + 7) & ~7
    }
  }
}

/** Requests whose arguments end with names. */
class NamedRequest extends Request {
  readonly #first: Name
  readonly #second: Name
  /** Bytes of the fixed arguments before the first name. */
  readonly head: number
  constructor(message: Message, head: number) {
    super(message)
    this.head = head
    this.#first = Name.within(message)
    this.#second = Name.within(message)
  }
  protected get firstName(): Name {
    const start = 40 + this.head
    this.#first.start = start
    this.#first.end = this.#nul(start)
    return this.#first
  }
  protected get secondName(): Name {
    const start = this.#nul(40 + this.head) + 1
    this.#second.start = start
    this.#second.end = this.#nul(start)
    return this.#second
  }
  #nul(at: number): number {
    return findNul(this.message.inputBytes, at, this.message.length)
  }
}

export class NameRequest extends NamedRequest {
  constructor(message: Message) {
    super(message, 0)
  }
  get name(): Name {
    return this.firstName
  }
}
/** LOOKUP, UNLINK, RMDIR, REMOVEXATTR. */
export type LookupRequest = NameRequest
export type UnlinkRequest = NameRequest
export type RemovexattrRequest = NameRequest

export class GetattrRequest extends Request {
  get hasHandle(): boolean {
    return (this.message.input[ARGS] & GETATTR_FH) !== 0
  }
  get fh(): number {
    return u64(this.message.input, ARGS + 2)
  }
}

export class StatxRequest extends GetattrRequest {
  /** AT_STATX_* flags of statx(2). */
  get statxFlags(): number {
    return this.message.input[ARGS + 4]
  }
  /** STATX_* bits that the caller asked for. */
  get mask(): number {
    return this.message.input[ARGS + 5]
  }
}

export class SetattrRequest extends Request {
  /** SetattrValid bits. */
  get valid(): number {
    return this.message.input[ARGS]
  }
  get hasHandle(): boolean {
    return (this.valid & SetattrValid.FH) !== 0
  }
  get fh(): number {
    return u64(this.message.input, ARGS + 2)
  }
  get size(): number {
    return u64(this.message.input, ARGS + 4)
  }
  /** The permission bits and, above them, the type. */
  get mode(): number {
    return this.message.input[ARGS + 17]
  }
  get newUid(): number {
    return this.message.input[ARGS + 19]
  }
  get newGid(): number {
    return this.message.input[ARGS + 20]
  }
  get atime(): SettableTime | undefined {
    return this.#time(SetattrValid.ATIME, SetattrValid.ATIME_NOW, 8, 14)
  }
  get mtime(): SettableTime | undefined {
    return this.#time(SetattrValid.MTIME, SetattrValid.MTIME_NOW, 10, 15)
  }
  /** Only with the kernel's write-back cache. */
  get ctime(): SettableTime | undefined {
    return this.#time(SetattrValid.CTIME, 0, 12, 16)
  }
  /** Clear set-user-ID and set-group-ID bits (HANDLE_KILLPRIV_V2). */
  get killSetId(): boolean {
    return (this.valid & SetattrValid.KILL_SUIDGID) !== 0
  }
  #time(bit: number, now: number, seconds: number, nanoseconds: number): SettableTime | undefined {
    const words = this.message.input
    if (!(words[ARGS] & bit)) return undefined
    // Seconds are signed: times before 1970 are valid.
    return {
      seconds: words[ARGS + seconds] + (words[ARGS + seconds + 1] | 0) * TWO_32,
      nanoseconds: words[ARGS + nanoseconds],
      now: (words[ARGS] & now) !== 0,
    }
  }
}

export class SymlinkRequest extends NamedRequest {
  constructor(message: Message) {
    super(message, 0)
  }
  get name(): Name {
    return this.firstName
  }
  get target(): Name {
    return this.secondName
  }
}

export class MknodRequest extends NamedRequest {
  constructor(message: Message) {
    super(message, 16)
  }
  get mode(): number {
    return this.message.input[ARGS]
  }
  /** The device number as the kernel packs it (new_encode_dev). */
  get rdev(): number {
    return this.message.input[ARGS + 1]
  }
  get umask(): number {
    return this.message.input[ARGS + 2]
  }
  get name(): Name {
    return this.firstName
  }
}

export class MkdirRequest extends NamedRequest {
  constructor(message: Message) {
    super(message, 8)
  }
  get mode(): number {
    return this.message.input[ARGS]
  }
  get umask(): number {
    return this.message.input[ARGS + 1]
  }
  get name(): Name {
    return this.firstName
  }
}

/** RENAME and RENAME2. */
export class RenameRequest extends NamedRequest {
  constructor(message: Message, head: 8 | 16) {
    super(message, head)
  }
  get newParent(): number {
    return u64(this.message.input, ARGS)
  }
  /** RENAME_* flags of renameat2(2). */
  get flags(): number {
    return this.head === 16 ? this.message.input[ARGS + 2] : 0
  }
  get name(): Name {
    return this.firstName
  }
  get newName(): Name {
    return this.secondName
  }
}

export class LinkRequest extends NamedRequest {
  constructor(message: Message) {
    super(message, 8)
  }
  /** The node that gets another name; nodeId is the directory of that name. */
  get target(): number {
    return u64(this.message.input, ARGS)
  }
  get name(): Name {
    return this.firstName
  }
}

/** OPEN and OPENDIR. */
export class OpenRequest extends Request {
  /** O_* flags of open(2) without O_CREAT, O_EXCL and O_NOCTTY. */
  get flags(): number {
    return this.message.input[ARGS]
  }
  get killSetId(): boolean {
    return (this.message.input[ARGS + 1] & OPEN_KILL_SUIDGID) !== 0
  }
}

/** CREATE and TMPFILE. */
export class CreateRequest extends NamedRequest {
  constructor(message: Message) {
    super(message, 16)
  }
  get flags(): number {
    return this.message.input[ARGS]
  }
  get mode(): number {
    return this.message.input[ARGS + 1]
  }
  get umask(): number {
    return this.message.input[ARGS + 2]
  }
  get killSetId(): boolean {
    return (this.message.input[ARGS + 3] & OPEN_KILL_SUIDGID) !== 0
  }
  get name(): Name {
    return this.firstName
  }
}

export class HandleRequest extends Request {
  get fh(): number {
    return u64(this.message.input, ARGS)
  }
}

export class ReadRequest extends HandleRequest {
  get offset(): number {
    return u64(this.message.input, ARGS + 2)
  }
  get size(): number {
    return this.message.input[ARGS + 4]
  }
  get lockOwnerLow(): number {
    return this.message.input[ARGS + 6]
  }
  get lockOwnerHigh(): number {
    return this.message.input[ARGS + 7]
  }
  /** The open file's current O_* flags. */
  get flags(): number {
    return this.message.input[ARGS + 8]
  }
}

/** READDIR and READDIRPLUS. The offset is what an earlier reply gave for the entry before; 0 is the start. */
export class ReaddirRequest extends HandleRequest {
  get offsetLow(): number {
    return this.message.input[ARGS + 2]
  }
  get offsetHigh(): number {
    return this.message.input[ARGS + 3]
  }
  get size(): number {
    return this.message.input[ARGS + 4]
  }
}

export class WriteRequest extends HandleRequest {
  get offset(): number {
    return u64(this.message.input, ARGS + 2)
  }
  get size(): number {
    return this.message.input[ARGS + 4]
  }
  /** From the page cache: the handle is a guess and the caller unknown. */
  get fromCache(): boolean {
    return (this.message.input[ARGS + 5] & WriteFlag.CACHE) !== 0
  }
  get killSetId(): boolean {
    return (this.message.input[ARGS + 5] & WriteFlag.KILL_SUIDGID) !== 0
  }
  get lockOwnerLow(): number {
    return this.message.input[ARGS + 6]
  }
  get lockOwnerHigh(): number {
    return this.message.input[ARGS + 7]
  }
  get flags(): number {
    return this.message.input[ARGS + 8]
  }
  /** A view of the bytes to write; the memory is reused when the request is answered. */
  get data(): Buffer {
    return this.message.inputBytes.subarray(80, 80 + this.size)
  }
  /** Where the bytes lie: on a page boundary. */
  get dataAddress(): number {
    return this.message.inputAddress + 80
  }
}

/** RELEASE and RELEASEDIR. */
export class ReleaseRequest extends HandleRequest {
  get flags(): number {
    return this.message.input[ARGS + 2]
  }
  get releaseFlockLock(): boolean {
    return (this.message.input[ARGS + 3] & ReleaseFlag.FLOCK_UNLOCK) !== 0
  }
  get lockOwnerLow(): number {
    return this.message.input[ARGS + 4]
  }
  get lockOwnerHigh(): number {
    return this.message.input[ARGS + 5]
  }
}

export class FlushRequest extends HandleRequest {
  get lockOwnerLow(): number {
    return this.message.input[ARGS + 4]
  }
  get lockOwnerHigh(): number {
    return this.message.input[ARGS + 5]
  }
}

/** FSYNC and FSYNCDIR. */
export class FsyncRequest extends HandleRequest {
  get dataOnly(): boolean {
    return (this.message.input[ARGS + 2] & FSYNC_DATASYNC) !== 0
  }
}

export class SetxattrRequest extends NamedRequest {
  /** @param extended whether SETXATTR_EXT was agreed: the arguments are 16 bytes, else 8 */
  constructor(message: Message, extended: boolean) {
    super(message, extended ? 16 : 8)
  }
  get size(): number {
    return this.message.input[ARGS]
  }
  /** XATTR_CREATE or XATTR_REPLACE of setxattr(2). */
  get flags(): number {
    return this.message.input[ARGS + 1]
  }
  /** Setting an ACL must clear the set-group-ID bit. */
  get killSetGid(): boolean {
    return this.head === 16 && (this.message.input[ARGS + 2] & SETXATTR_ACL_KILL_SGID) !== 0
  }
  get name(): Name {
    return this.firstName
  }
  get value(): Buffer {
    const start = this.firstName.end + 1
    return this.message.inputBytes.subarray(start, start + this.size)
  }
}

export class GetxattrRequest extends NamedRequest {
  constructor(message: Message) {
    super(message, 8)
  }
  /** Bytes that the caller has room for; 0 asks for the size alone. */
  get size(): number {
    return this.message.input[ARGS]
  }
  get name(): Name {
    return this.firstName
  }
}

export class ListxattrRequest extends Request {
  get size(): number {
    return this.message.input[ARGS]
  }
}

/** GETLK, SETLK, SETLKW. `end` is inclusive; Infinity: to the end of the file. */
export class LockRequest extends HandleRequest {
  get ownerLow(): number {
    return this.message.input[ARGS + 2]
  }
  get ownerHigh(): number {
    return this.message.input[ARGS + 3]
  }
  get start(): number {
    return u64(this.message.input, ARGS + 4)
  }
  /** Ranges may lie anywhere in 63 bits: what numbers cannot tell exactly, words do. */
  get startLow(): number {
    return this.message.input[ARGS + 4]
  }
  get startHigh(): number {
    return this.message.input[ARGS + 5]
  }
  get endLow(): number {
    return this.message.input[ARGS + 6]
  }
  get endHigh(): number {
    return this.message.input[ARGS + 7]
  }
  get end(): number {
    const { input } = this.message
    return input[ARGS + 7] === 0x7fffffff && input[ARGS + 6] === 0xffffffff
      ? Number.POSITIVE_INFINITY
      : u64(input, ARGS + 6)
  }
  /** F_RDLCK, F_WRLCK or F_UNLCK of fcntl(2). */
  get type(): number {
    return this.message.input[ARGS + 8]
  }
  get lockPid(): number {
    return this.message.input[ARGS + 9]
  }
  /** A flock(2) lock: the whole file, owned by the open file. */
  get isFlock(): boolean {
    return (this.message.input[ARGS + 10] & LOCK_FLOCK) !== 0
  }
}

export class AccessRequest extends Request {
  /** R_OK, W_OK, X_OK bits of access(2). */
  get mask(): number {
    return this.message.input[ARGS]
  }
}

export class BmapRequest extends Request {
  get block(): number {
    return u64(this.message.input, ARGS)
  }
  get blockSize(): number {
    return this.message.input[ARGS + 2]
  }
}

export class IoctlRequest extends HandleRequest {
  get flags(): number {
    return this.message.input[ARGS + 2]
  }
  get command(): number {
    return this.message.input[ARGS + 3]
  }
  get argumentLow(): number {
    return this.message.input[ARGS + 4]
  }
  get argumentHigh(): number {
    return this.message.input[ARGS + 5]
  }
  get outputSize(): number {
    return this.message.input[ARGS + 7]
  }
  get data(): Buffer {
    return this.message.inputBytes.subarray(72, 72 + this.message.input[ARGS + 6])
  }
}

export class PollRequest extends HandleRequest {
  /** To be given to `Notifier.poll` when the file becomes ready. */
  get pollHandle(): number {
    return u64(this.message.input, ARGS + 2)
  }
  get wantsNotification(): boolean {
    return (this.message.input[ARGS + 4] & 1) !== 0
  }
  /** POLLIN … bits of poll(2). */
  get events(): number {
    return this.message.input[ARGS + 5]
  }
}

export class FallocateRequest extends HandleRequest {
  get offset(): number {
    return u64(this.message.input, ARGS + 2)
  }
  get length(): number {
    return u64(this.message.input, ARGS + 4)
  }
  /** FALLOC_FL_* bits. */
  get mode(): number {
    return this.message.input[ARGS + 6]
  }
}

export class LseekRequest extends HandleRequest {
  get offset(): number {
    return u64(this.message.input, ARGS + 2)
  }
  /** SEEK_DATA or SEEK_HOLE. */
  get whence(): number {
    return this.message.input[ARGS + 4]
  }
}

/** COPY_FILE_RANGE and COPY_FILE_RANGE_64: from fh and offset here to the other node's. */
export class CopyFileRangeRequest extends HandleRequest {
  get offset(): number {
    return u64(this.message.input, ARGS + 2)
  }
  get outNodeId(): number {
    return u64(this.message.input, ARGS + 4)
  }
  get outFh(): number {
    return u64(this.message.input, ARGS + 6)
  }
  get outOffset(): number {
    return u64(this.message.input, ARGS + 8)
  }
  get length(): number {
    return u64(this.message.input, ARGS + 10)
  }
  get flags(): number {
    return this.message.input[ARGS + 12]
  }
}
