// Replies as views on the bytes that the kernel will read. The session has set the size and zeroed the fields before a
// handler sees its reply; a handler that leaves it alone answers success with zeros.
import { constants, errno } from '../native.js'
import { ATTR_OUT_SIZE, ENTRY_OUT_SIZE, OPEN_OUT_SIZE, OUT_HEADER_SIZE } from './constants.js'
import { type Message, PAYLOAD } from './message.js'
import { Name } from './name.js'
import { encodeName } from './text.js'

const TWO_32 = 4294967296
/** Word index of a reply's first field. */
const BODY = OUT_HEADER_SIZE / 4
/** Timeouts are capped here, 68 years: 'for ever' in jiffies must not overflow. */
const SECONDS_MAX = 0x7fffffff
/** Bytes up to which copying costs less than another entry of writev(2). */
const COPY_MAX = 16384
/** Buffers of one writev(2), which takes 1024 with the reply's header (UIO_MAXIOV). */
const GATHERED_MAX = 1023

function put64(words: Uint32Array, at: number, value: number): void {
  words[at] = value
  words[at + 1] = Math.floor(value / TWO_32)
}

function putTimeout(words: Uint32Array, seconds: number, nanoseconds: number, value: number): void {
  const whole = value >= SECONDS_MAX ? SECONDS_MAX : value > 0 ? Math.floor(value) : 0
  words[seconds] = whole
  words[seconds + 1] = 0
  words[nanoseconds] = value > whole && value < SECONDS_MAX ? Math.floor((value - whole) * 1e9) : 0
}

export type Time = Date | { seconds: number; nanoseconds: number }

export interface AttributesInit {
  ino?: number
  size?: number
  /** 512-byte units; by default what `size` needs. */
  blocks?: number
  atime?: Time
  mtime?: Time
  ctime?: Time
  /** Type and permission bits, as st_mode. */
  mode: number
  nlink?: number
  uid?: number
  gid?: number
  rdev?: number
  blksize?: number
}

/** struct fuse_attr in place. */
export class Attributes {
  readonly #message: Message
  readonly #words: Uint32Array
  /** Address of the 88 bytes, for the addon. */
  readonly address: number
  readonly #at: number

  constructor(message: Message, byte: number) {
    this.#message = message
    this.#words = message.output
    this.#at = byte / 4
    this.address = message.outputAddress + byte
  }
  /** Fills them in from an open descriptor as the reply is sent; an error of statx(2) then becomes the reply's. */
  descriptor(fd: number): void {
    this.#message.attributesFd = fd
    this.#message.attributesAt = this.#at * 4
  }
  get inoLow(): number {
    return this.#words[this.#at]
  }
  get inoHigh(): number {
    return this.#words[this.#at + 1]
  }
  set inoHigh(value: number) {
    this.#words[this.#at + 1] = value
  }
  get ino(): number {
    return this.inoLow + this.inoHigh * TWO_32
  }
  set ino(value: number) {
    put64(this.#words, this.#at, value)
  }
  get size(): number {
    return this.#words[this.#at + 2] + this.#words[this.#at + 3] * TWO_32
  }
  set size(value: number) {
    put64(this.#words, this.#at + 2, value)
  }
  set blocks(value: number) {
    put64(this.#words, this.#at + 4, value)
  }
  set atime(value: Time) {
    this.#time(6, 12, value)
  }
  set mtime(value: Time) {
    this.#time(8, 13, value)
  }
  set ctime(value: Time) {
    this.#time(10, 14, value)
  }
  get mode(): number {
    return this.#words[this.#at + 15]
  }
  set mode(value: number) {
    this.#words[this.#at + 15] = value
  }
  get nlink(): number {
    return this.#words[this.#at + 16]
  }
  set nlink(value: number) {
    this.#words[this.#at + 16] = value
  }
  get uid(): number {
    return this.#words[this.#at + 17]
  }
  set uid(value: number) {
    this.#words[this.#at + 17] = value
  }
  get gid(): number {
    return this.#words[this.#at + 18]
  }
  set gid(value: number) {
    this.#words[this.#at + 18] = value
  }
  set rdev(value: number) {
    this.#words[this.#at + 19] = value
  }
  set blksize(value: number) {
    this.#words[this.#at + 20] = value
  }
  set(init: AttributesInit): void {
    // Not by the setters: a number that is handed to a call that V8 does not inline is allocated.
    const words = this.#words
    const at = this.#at
    if (init.ino !== undefined) put64(words, at, init.ino)
    const size = init.size ?? 0
    put64(words, at + 2, size)
    put64(words, at + 4, init.blocks ?? Math.ceil(size / 512))
    const mtime = init.mtime ?? init.ctime
    if (mtime) this.mtime = mtime
    if (init.atime ?? mtime) this.atime = (init.atime ?? mtime) as Time
    if (init.ctime ?? mtime) this.ctime = (init.ctime ?? mtime) as Time
    this.mode = init.mode
    this.nlink = init.nlink ?? ((init.mode & constants.S_IFMT) === constants.S_IFDIR ? 2 : 1)
    this.uid = init.uid ?? 0
    this.gid = init.gid ?? 0
    this.rdev = init.rdev ?? 0
    this.blksize = init.blksize ?? 4096
  }
  #time(seconds: number, nanoseconds: number, value: Time): void {
    const words = this.#words
    if (value instanceof Date) {
      const ms = value.getTime()
      const whole = Math.floor(ms / 1000)
      put64(words, this.#at + seconds, whole)
      words[this.#at + nanoseconds] = (ms - whole * 1000) * 1e6
    } else {
      put64(words, this.#at + seconds, value.seconds)
      words[this.#at + nanoseconds] = value.nanoseconds
    }
  }
}

/** Every reply; used alone where success carries nothing. */
export class Reply {
  readonly message: Message
  constructor(message: Message) {
    this.message = message
  }
  /** Answers with an errno, without the cost of a throw. */
  fail(value: number): void {
    this.message.fail(value)
  }
  /** Called when the reply has left: memory that it points to may be reused. */
  onSent(release: () => void): void {
    this.message.onSent = release
  }
}

export class EntryReply extends Reply {
  static readonly size = ENTRY_OUT_SIZE
  readonly attr: Attributes
  constructor(message: Message) {
    super(message)
    this.attr = new Attributes(message, OUT_HEADER_SIZE + 40)
  }
  set nodeId(value: number) {
    put64(this.message.output, BODY, value)
  }
  get nodeId(): number {
    return this.message.output[BODY] + this.message.output[BODY + 1] * TWO_32
  }
  /** Must differ when a nodeId is used again. */
  set generation(value: number) {
    put64(this.message.output, BODY + 2, value)
  }
  /** Seconds that the kernel may keep the name; Infinity: until told otherwise. */
  set entryTimeout(seconds: number) {
    putTimeout(this.message.output, BODY + 4, BODY + 8, seconds)
  }
  /** Seconds that the kernel may keep the attributes. */
  set attrTimeout(seconds: number) {
    putTimeout(this.message.output, BODY + 6, BODY + 9, seconds)
  }
  /** No such name, and the kernel may remember that for some seconds. */
  negative(seconds: number): void {
    if (seconds > 0) {
      this.nodeId = 0
      this.entryTimeout = seconds
    } else this.fail(errno.ENOENT)
  }
}

export class AttrReply extends Reply {
  static readonly size = ATTR_OUT_SIZE
  readonly attr: Attributes
  constructor(message: Message) {
    super(message)
    this.attr = new Attributes(message, OUT_HEADER_SIZE + 16)
  }
  set attrTimeout(seconds: number) {
    putTimeout(this.message.output, BODY, BODY + 2, seconds)
  }
}

/** Fields of struct fuse_open_out at a word of the reply. */
class OpenFields extends Reply {
  readonly #at: number
  constructor(message: Message, at: number) {
    super(message)
    this.#at = at
  }
  set fh(value: number) {
    put64(this.message.output, this.#at, value)
  }
  get fh(): number {
    return this.message.output[this.#at] + this.message.output[this.#at + 1] * TWO_32
  }
  /** OpenFlag bits. */
  get flags(): number {
    return this.message.output[this.#at + 2]
  }
  set flags(value: number) {
    this.message.output[this.#at + 2] = value
  }
  /** What BACKING_OPEN gave, with OpenFlag.PASSTHROUGH. */
  set backingId(value: number) {
    this.message.output[this.#at + 3] = value
  }
}

export class OpenReply extends OpenFields {
  static readonly size = OPEN_OUT_SIZE
  constructor(message: Message) {
    super(message, BODY)
  }
}

export class CreateReply extends OpenFields {
  static readonly size = ENTRY_OUT_SIZE + OPEN_OUT_SIZE
  readonly entry: EntryReply
  constructor(message: Message) {
    super(message, BODY + ENTRY_OUT_SIZE / 4)
    this.entry = new EntryReply(message)
  }
}

/** Bytes as a payload; used alone for READLINK. */
export class BytesReply extends Reply {
  /** Sends these bytes: long ones from where they lie, short ones copied, which is faster. */
  data(bytes: Uint8Array | readonly Uint8Array[] | string): void {
    if (typeof bytes === 'string') bytes = encodeName(bytes)
    if (!(bytes instanceof Uint8Array)) this.#gather([...bytes])
    else if (bytes.length > COPY_MAX) this.#gather([bytes])
    else {
      this.message.outputBytes.set(bytes, PAYLOAD)
      this.inPlace(bytes.length)
    }
  }
  #gather(buffers: Uint8Array[]): void {
    // Here, where what is no buffer is still the handler's failure.
    const gathered = buffers.length > GATHERED_MAX ? [Buffer.concat(buffers)] : buffers
    this.inPlace(0)
    this.message.gathered = gathered
  }
  /** Memory for the payload, page-aligned: fill it, then call `inPlace`. */
  get payload(): Buffer {
    return this.message.outputBytes.subarray(PAYLOAD)
  }
  get payloadAddress(): number {
    return this.message.outputAddress + PAYLOAD
  }
  /** Sends the first `length` bytes of the payload's memory. What was to be sent before is not. */
  inPlace(length: number): void {
    const { message } = this
    message.inPayload = true
    message.replyLength = OUT_HEADER_SIZE + length
    message.gathered = undefined
    message.rangeFd = -1
  }
}

/** How a range of a descriptor is read. */
export const RangeRead = {
  /** At once where the bytes are in memory, else by another thread. */
  PROBE: 0,
  /** At once: the file never waits for a device (tmpfs). */
  INLINE: 1,
  /** By another thread: the file cannot tell, or waits for sure (O_DIRECT). */
  THREAD: 2,
} as const
export type RangeRead = (typeof RangeRead)[keyof typeof RangeRead]

export class ReadReply extends BytesReply {
  /** Sends up to `length` bytes of a descriptor from `offset`; fewer at the end of the file. */
  descriptor(fd: number, offset: number, length: number, how: RangeRead = RangeRead.PROBE): void {
    const { message } = this
    message.gathered = undefined
    message.rangeFd = fd
    message.rangeOffset = offset
    message.rangeLength = Math.min(length, message.outputBytes.length - PAYLOAD)
    message.rangeRead = how
  }
}

export class WriteReply extends Reply {
  static readonly size = 8
  set size(value: number) {
    this.message.output[BODY] = value
  }
}

/** COPY_FILE_RANGE answers 32 bits of it, COPY_FILE_RANGE_64 all. */
export class CopyReply extends Reply {
  static readonly size = 8
  set copied(value: number) {
    put64(this.message.output, BODY, value)
  }
}

export interface StatfsInit {
  blocks?: number
  bfree?: number
  bavail?: number
  files?: number
  ffree?: number
  bsize?: number
  namelen?: number
  frsize?: number
}

export class StatfsReply extends Reply {
  static readonly size = 80
  get address(): number {
    return this.message.outputAddress + OUT_HEADER_SIZE
  }
  set(init: StatfsInit): void {
    const words = this.message.output
    put64(words, BODY, init.blocks ?? 0)
    put64(words, BODY + 2, init.bfree ?? 0)
    put64(words, BODY + 4, init.bavail ?? init.bfree ?? 0)
    put64(words, BODY + 6, init.files ?? 0)
    put64(words, BODY + 8, init.ffree ?? 0)
    words[BODY + 10] = init.bsize ?? 4096
    words[BODY + 11] = init.namelen ?? 255
    words[BODY + 12] = init.frsize ?? init.bsize ?? 4096
  }
}

/** GETXATTR and LISTXATTR. */
export class XattrReply extends BytesReply {
  /** Bytes that the caller has room for; 0 asks for the size alone. */
  get room(): number {
    return this.message.input[10]
  }
  /** Answers with the value, or its size where that was asked, or ERANGE. */
  value(bytes: Uint8Array): void {
    if (this.size(bytes.length)) this.data(bytes)
  }
  /** As `value` for a size: true where the bytes themselves are to follow. */
  size(length: number): boolean {
    if (this.room === 0) {
      this.message.output[BODY] = length
      this.message.output[BODY + 1] = 0
      this.message.replyLength = OUT_HEADER_SIZE + 8
      return false
    }
    if (length > this.room) {
      this.fail(errno.ERANGE)
      return false
    }
    return true
  }
}

/** GETLK: the lock that is in the way, or F_UNLCK. */
export class LockReply extends Reply {
  static readonly size = 24
  set(lock: { start: number | bigint; end: number | bigint; type: number; pid: number }): void {
    const words = this.message.output
    const put = (at: number, value: number | bigint) => {
      if (typeof value === 'number') return put64(words, at, value)
      words[at] = Number(BigInt.asUintN(32, value))
      words[at + 1] = Number(BigInt.asUintN(32, value >> 32n))
    }
    put(BODY, lock.start)
    if (lock.end === Number.POSITIVE_INFINITY) {
      words[BODY + 2] = 0xffffffff
      words[BODY + 3] = 0x7fffffff
    } else put(BODY + 2, lock.end)
    words[BODY + 4] = lock.type
    words[BODY + 5] = lock.pid
  }
}

export class LseekReply extends Reply {
  static readonly size = 8
  set offset(value: number) {
    put64(this.message.output, BODY, value)
  }
}

export class BmapReply extends Reply {
  static readonly size = 8
  set block(value: number) {
    put64(this.message.output, BODY, value)
  }
}

export class PollReply extends Reply {
  static readonly size = 8
  /** POLLIN … bits that are ready now. */
  set events(value: number) {
    this.message.output[BODY] = value
  }
}

export class IoctlReply extends Reply {
  static readonly size = 16
  /** What ioctl(2) returns. */
  set result(value: number) {
    this.message.output[BODY] = value
  }
  data(bytes: Uint8Array): void {
    this.message.gathered = [bytes]
  }
}

export interface StatxInit extends AttributesInit {
  /** STATX_* bits of the fields that are given. */
  mask: number
  btime?: Time
  attributes?: number
  attributesMask?: number
  devMajor?: number
  devMinor?: number
  rdevMajor?: number
  rdevMinor?: number
}

/** STATX: struct statx's first 256 bytes after a timeout. */
export class StatxReply extends Reply {
  static readonly size = 288
  /** Where struct statx lies, for the addon. */
  get address(): number {
    return this.message.outputAddress + OUT_HEADER_SIZE + 32
  }
  set attrTimeout(seconds: number) {
    putTimeout(this.message.output, BODY, BODY + 2, seconds)
  }
  set(init: StatxInit): void {
    const words = this.message.output
    const at = BODY + 8
    words[at] = init.mask
    words[at + 1] = init.blksize ?? 4096
    put64(words, at + 2, init.attributes ?? 0)
    words[at + 4] = init.nlink ?? 1
    words[at + 5] = init.uid ?? 0
    words[at + 6] = init.gid ?? 0
    words[at + 7] = init.mode & 0xffff
    put64(words, at + 8, init.ino ?? 0)
    put64(words, at + 10, init.size ?? 0)
    put64(words, at + 12, init.blocks ?? Math.ceil((init.size ?? 0) / 512))
    put64(words, at + 14, init.attributesMask ?? 0)
    this.#time(at + 16, init.atime)
    this.#time(at + 20, init.btime)
    this.#time(at + 24, init.ctime)
    this.#time(at + 28, init.mtime)
    words[at + 32] = init.rdevMajor ?? 0
    words[at + 33] = init.rdevMinor ?? 0
    words[at + 34] = init.devMajor ?? 0
    words[at + 35] = init.devMinor ?? 0
  }
  #time(at: number, value: Time | undefined): void {
    if (!value) return
    const ms = value instanceof Date ? value.getTime() : 0
    const seconds = value instanceof Date ? Math.floor(ms / 1000) : value.seconds
    put64(this.message.output, at, seconds)
    this.message.output[at + 2] = value instanceof Date ? (ms - seconds * 1000) * 1e6 : value.nanoseconds
  }
}

/** An entry of a directory listing. */
export interface DirectoryEntry {
  name: string | Uint8Array
  ino: number
  /** S_IF* type bits of the mode; 0 where unknown. */
  type: number
  /** What READDIR passes back to go on after this entry. */
  offset: number
}

/** READDIR and READDIRPLUS: records of variable length in the payload. */
export class DirectoryReply extends BytesReply {
  #used = 0
  #size = 0

  /** The name at a byte of the reply, for listings made in place. Good until the next call. */
  name(start: number, length: number): Name {
    this.#name ??= Name.withinReply(this.message)
    this.#name.start = start
    this.#name.end = start + length
    return this.#name
  }
  #name: Name | undefined

  /** Starts a listing of at most `size` bytes. */
  begin(size: number): void {
    this.#used = 0
    this.#size = Math.min(size, this.message.outputBytes.length - PAYLOAD)
  }
  /** Adds an entry; false where it does not fit: the listing is full. */
  add(entry: DirectoryEntry): boolean {
    return this.#append(entry, 0)
  }
  /** Adds an entry with its node: `fill` sets nodeId (0: none, no lookup is counted) and attributes. */
  addPlus(entry: DirectoryEntry, fill: (reply: DirectoryEntryFields) => void): boolean {
    const start = this.#used
    if (!this.#append(entry, ENTRY_OUT_SIZE)) return false
    const byte = PAYLOAD + start
    fill(new DirectoryEntryFields(this.message, byte))
    return true
  }
  #append(entry: DirectoryEntry, head: number): boolean {
    const name = typeof entry.name === 'string' ? encodeName(entry.name) : entry.name
    const record = head + ((24 + name.length + 7) & ~7)
    if (this.#used + record > this.#size) return false
    const bytes = this.message.outputBytes
    const start = PAYLOAD + this.#used
    bytes.fill(0, start, start + record)
    const words = this.message.output
    const at = (start + head) / 4
    put64(words, at, entry.ino)
    put64(words, at + 2, entry.offset)
    words[at + 4] = name.length
    words[at + 5] = (entry.type >> 12) & 15
    bytes.set(name, start + head + 24)
    this.#used += record
    this.inPlace(this.#used)
    return true
  }
}

/** struct fuse_entry_out inside a READDIRPLUS listing. */
export class DirectoryEntryFields {
  readonly #words: Uint32Array
  readonly #at: number
  readonly attr: Attributes
  constructor(message: Message, byte: number) {
    this.#words = message.output
    this.#at = byte / 4
    this.attr = new Attributes(message, byte + 40)
  }
  set nodeId(value: number) {
    put64(this.#words, this.#at, value)
  }
  set generation(value: number) {
    put64(this.#words, this.#at + 2, value)
  }
  set entryTimeout(seconds: number) {
    putTimeout(this.#words, this.#at + 4, this.#at + 8, seconds)
  }
  set attrTimeout(seconds: number) {
    putTimeout(this.#words, this.#at + 6, this.#at + 9, seconds)
  }
}
