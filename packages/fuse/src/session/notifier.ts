import { FilesystemError } from '../errors.js'
import type { Notifier } from '../filesystem.js'
import { errno, native, sys } from '../native.js'
import { Lane, offloadTo } from '../offload.js'
import { ENTRY_EXPIRE_ONLY, encodeName, Notification, OUT_HEADER_SIZE } from '../protocol/index.js'

const TWO_32 = 4294967296
/** Notifications, and bytes of them, that may wait for the kernel; what is more is dropped, with a line in the log. */
const QUEUE_MAX = 1 << 20
const QUEUE_BYTES_MAX = 256 << 20
/** Bytes of one STORE: the kernel takes at most its own max_write in one go. */
const STORE_MAX = 1 << 17

/** Writes notifications to /dev/fuse from the addon's ordered thread. */
export class DeviceNotifier implements Notifier {
  readonly #fd: number
  readonly #log: (message: string) => void
  readonly #retrievals = new Map<number, (data: Buffer) => void>()
  #nextRetrieval = 1
  #queued = 0
  #queuedBytes = 0
  /** Notifications dropped since the queue was last empty. */
  #dropped = 0
  #flushed: (() => void)[] = []
  #closed = false

  constructor(fd: number, log: (message: string) => void) {
    this.#fd = fd
    this.#log = log
  }

  invalidateInode(nodeId: number, offset = 0, length = 0): void {
    this.#send(Notification.INVAL_INODE, [[nodeId], [offset], [length]])
  }
  invalidateAttributes(nodeId: number): void {
    this.#send(Notification.INVAL_INODE, [[nodeId], [-1], [0]])
  }
  invalidateEntry(parent: number, name: string | Uint8Array): void {
    this.#entry(parent, name, 0)
  }
  expireEntry(parent: number, name: string | Uint8Array): void {
    this.#entry(parent, name, ENTRY_EXPIRE_ONLY)
  }
  deleteEntry(parent: number, child: number, name: string | Uint8Array): void {
    const bytes = typeof name === 'string' ? encodeName(name) : name
    this.#send(Notification.DELETE, [[parent], [child], [bytes.length, 0]], bytes, 1)
  }
  store(nodeId: number, offset: number, data: Uint8Array): void {
    for (let at = 0; at < data.length; at += STORE_MAX) {
      const part = data.subarray(at, at + STORE_MAX)
      this.#send(Notification.STORE, [[nodeId], [offset + at], [part.length, 0]], part)
    }
  }
  retrieve(nodeId: number, offset: number, size: number): Promise<Buffer> {
    const unique = this.#nextRetrieval++
    return new Promise((resolve, reject) => {
      this.#retrievals.set(unique, resolve)
      this.#send(Notification.RETRIEVE, [[unique], [nodeId], [offset], [size, 0]], undefined, 0, (result) => {
        if (result >= 0) return
        this.#retrievals.delete(unique)
        if (result === -errno.ENOENT) resolve(Buffer.alloc(0))
        else reject(new FilesystemError(-result))
      })
    })
  }
  poll(pollHandle: number): void {
    this.#send(Notification.POLL, [[pollHandle]])
  }
  resend(): void {
    this.#send(Notification.RESEND, [])
  }
  incrementEpoch(): void {
    this.#send(Notification.INC_EPOCH, [])
  }
  prune(nodeIds: readonly number[]): void {
    this.#send(Notification.PRUNE, [[nodeIds.length, 0], [0, 0], ...nodeIds.map((id) => [id])])
  }

  flush(): Promise<void> {
    if (this.#queued === 0) return Promise.resolve()
    return new Promise((resolve) => this.#flushed.push(resolve))
  }

  /** NOTIFY_REPLY: what a retrieval found. */
  retrieved(unique: number, data: Buffer): void {
    const resolve = this.#retrievals.get(unique)
    this.#retrievals.delete(unique)
    resolve?.(Buffer.from(data))
  }

  /** Nothing is sent any more; waiting retrievals get no bytes. */
  close(): void {
    this.#closed = true
    for (const resolve of this.#retrievals.values()) resolve(Buffer.alloc(0))
    this.#retrievals.clear()
  }

  #entry(parent: number, name: string | Uint8Array, flags: number): void {
    const bytes = typeof name === 'string' ? encodeName(name) : name
    this.#send(Notification.INVAL_ENTRY, [[parent], [bytes.length, flags]], bytes, 1)
  }

  /** @param fields 64-bit fields: one number, or two for a pair of 32-bit ones; @param zeros bytes after the data */
  #send(
    code: number,
    fields: number[][],
    data?: Uint8Array,
    zeros = 0,
    done?: (result: number) => void,
  ): void {
    if (this.#closed) return done?.(-errno.ENODEV)
    const start = OUT_HEADER_SIZE + fields.length * 8
    const length = start + (data?.length ?? 0) + zeros
    if (this.#queued >= QUEUE_MAX || this.#queuedBytes + length > QUEUE_BYTES_MAX) {
      if (this.#dropped++ === 0)
        this.#log(`${this.#queued} notifications wait for the kernel: further ones are dropped`)
      return done?.(-errno.EAGAIN)
    }
    const frame = Buffer.alloc(length)
    frame.writeUInt32LE(frame.length, 0)
    frame.writeInt32LE(code, 4)
    fields.forEach((field, index) => {
      const at = OUT_HEADER_SIZE + index * 8
      const [low, high = Math.floor(low / TWO_32)] = field
      frame.writeInt32LE(low | 0, at)
      frame.writeInt32LE(high | 0, at + 4)
    })
    if (data) frame.set(data, start)
    const finish = (result: number) => {
      this.#queuedBytes -= length
      if (--this.#queued === 0) this.#drained()
      if (done) done(result)
      else if (
        result < 0 &&
        result !== -errno.ENOENT &&
        result !== -errno.ENODEV &&
        result !== -errno.ENOTDIR &&
        !this.#closed
      )
        this.#log(`the kernel refused notification ${code}: errno ${-result}`)
    }
    offloadTo(Lane.ORDERED, finish, frame, sys.write, this.#fd, native.address(frame), frame.length)
    this.#queued++
    this.#queuedBytes += length
  }

  #drained(): void {
    if (this.#dropped > 0) this.#log(`${this.#dropped} notifications were dropped`)
    this.#dropped = 0
    for (const resolve of this.#flushed.splice(0)) resolve()
  }
}
