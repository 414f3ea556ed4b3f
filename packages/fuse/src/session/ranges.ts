import { readFileSync } from 'node:fs'
import { errno, native, sys } from '../native.js'
import { offload } from '../offload.js'
import { type Message, OUT_HEADER_SIZE, PAYLOAD, RangeRead } from '../protocol/index.js'

/** What a range needs of its session. */
export interface RangeOwner {
  /** The message is now the session's: its answer comes later. */
  detach(message: Message): void
  /** Sends the answer of a detached message, which stays in use. */
  answer(message: Message): void
  /** Ends a detached message, answering it first unless that has been done. */
  finish(message: Message, answered: boolean): void
}

/** Reads ranges of descriptors into replies (ReadReply.descriptor). */
export class Ranges {
  readonly #owner: RangeOwner
  /** Messages whose memory a thread is filling, and which are not answered. */
  readonly #reading = new Set<Message>()

  constructor(owner: RangeOwner) {
    this.#owner = owner
  }

  /**
   * Reads at once where the bytes are in memory. Else another thread does: then the message is detached, and ends itself.
   * Returns whether that is so.
   */
  read(message: Message): boolean {
    const { rangeFd: fd, rangeOffset: offset, rangeLength: length } = message
    const to = message.outputAddress + PAYLOAD
    message.rangeFd = -1
    if (length === 0) return filled(message, 0)
    if (message.rangeRead === RangeRead.INLINE)
      return filled(message, native.syscall(sys.pread64, fd, to, length, offset))
    if (message.rangeRead === RangeRead.PROBE) {
      let result = native.readNowait(fd, to, length, offset)
      // A short read may be the end of what is cached, not of the file.
      if (result > 0 && result < length) {
        const more = native.readNowait(fd, to + result, length - result, offset + result)
        if (more !== 0) result = -errno.EAGAIN
      }
      if (result !== -errno.EAGAIN && result !== -errno.EOPNOTSUPP) return filled(message, result)
    }
    this.#owner.detach(message)
    this.#reading.add(message)
    const done = (result: number) => {
      const waited = this.#reading.delete(message)
      if (waited) filled(message, result)
      this.#owner.finish(message, !waited)
    }
    offload(message, sys.pread64, fd, to, length, offset).then(done, () => done(-errno.EAGAIN))
    return true
  }

  /**
   * The caller was interrupted. A file's read is not cut short by signals, but who is being killed need not wait for the
   * disk: the answer goes out now, and the memory stays in use until the thread is done with it.
   */
  interrupt(message: Message): void {
    if (!this.#reading.has(message) || !dying(message.input[8])) return
    this.#reading.delete(message)
    message.fail(errno.EINTR)
    this.#owner.answer(message)
  }
}

/** Answers with what was read. Returns false: no thread is at work. */
function filled(message: Message, result: number): false {
  if (result < 0) message.fail(-result)
  else {
    message.inPayload = true
    message.replyLength = OUT_HEADER_SIZE + result
  }
  return false
}

/** Whether a thread has SIGKILL pending, as every thread has whose process a signal ends. */
function dying(pid: number): boolean {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1')
    return (Number(`0x${/^SigPnd:\s*(\w+)/m.exec(status)?.[1].slice(-8)}`) & (1 << 8)) !== 0
  } catch {
    return false
  }
}
