import { native, sys } from '@hawser/fuse'
import { memory } from './memory.js'

/** Bytes read at once: some 600 events. */
const BUFFER = 1 << 16

// linux/fanotify.h: struct fanotify_event_metadata
const METADATA = 24
const MASK = 8
const PID = 20
// struct fanotify_event_info_fid: a header of 4 bytes, an fsid of 8, then struct file_handle and perhaps a name.
const INFO_FID = 1
const INFO_DFID_NAME = 2
const INFO_DFID = 3
const HANDLE = 12
const HANDLE_BYTES = 8

/** What fanotify(7) tells with file handles and names: one event after the other, read without making objects. */
export class FanotifyEvents {
  readonly #fd: number
  readonly #memory = memory(BUFFER)
  #at = 0
  #next = 0
  #end = 0
  /** The low half of the event's mask: all bits that exist lie there. */
  mask = 0
  pid = 0
  /** Where in `bytes` the struct file_handle of a directory lies, and of the file; 0: the event has none. */
  directory = 0
  file = 0
  /** The name in that directory; "." is the directory itself. */
  nameStart = 0
  nameEnd = 0

  constructor(fd: number) {
    this.#fd = fd
  }

  get bytes(): Uint8Array {
    return this.#memory.bytes
  }

  /** Whether the last read took so much that there is likely to be more. */
  get full(): boolean {
    return this.#end > BUFFER / 2
  }

  /** Reads waiting events; their bytes, 0 for none, or a negated errno. */
  read(): number {
    const got = native.syscall(sys.read, this.#fd, this.#memory.address, BUFFER)
    this.#next = 0
    this.#end = Math.max(0, got)
    return got
  }

  /** Goes to the next event of what was read. */
  next(): boolean {
    if (this.#next + METADATA > this.#end) return false
    const { words } = this.#memory
    this.#at = this.#next
    this.#next += words[this.#at >> 2]
    this.mask = words[(this.#at + MASK) >> 2]
    this.pid = words[(this.#at + PID) >> 2]
    return true
  }

  /** Finds what the event is about: `directory`, `file` and the name. */
  locate(): void {
    const { bytes, words } = this.#memory
    this.directory = 0
    this.file = 0
    this.nameStart = 0
    this.nameEnd = 0
    for (let at = this.#at + METADATA; at < this.#next; ) {
      const type = bytes[at]
      const end = at + (words[at >> 2] >>> 16)
      const handle = at + HANDLE
      if (type === INFO_FID) this.file = handle
      else if (type === INFO_DFID) this.directory = handle
      else if (type === INFO_DFID_NAME) {
        this.directory = handle
        this.nameStart = handle + HANDLE_BYTES + words[handle >> 2]
        this.nameEnd = this.nameStart
        while (this.nameEnd < end && bytes[this.nameEnd] !== 0) this.nameEnd++
      }
      if (end <= at) return
      at = end
    }
  }

  /** Whether the directory itself is what the event is about. */
  get ofDirectory(): boolean {
    const length = this.nameEnd - this.nameStart
    return length === 0 || (length === 1 && this.#memory.bytes[this.nameStart] === 0x2e)
  }

  handleLength(handle: number): number {
    return this.#memory.words[handle >> 2]
  }
  handleType(handle: number): number {
    return this.#memory.words[(handle >> 2) + 1]
  }
  handleStart(handle: number): number {
    return handle + HANDLE_BYTES
  }
}
