import { IN_HEADER_SIZE, Message, Opcode } from '../protocol/index.js'
import { Views } from './views.js'

/**
 * Free messages that are kept, and bytes of them that were ever used (the rest of their memory is not there until then). A new
 * message costs hundreds of microseconds.
 */
const FREE_MAX = 1024
const FREE_BYTES_MAX = 64 << 20

export interface MessageLimits {
  /** Requests that handlers may work on at the same time. */
  inFlight: number
  /** Bytes that their requests and replies may hold. */
  bytes: number
}

/** The session's messages: one that is being read into, those in flight, some that are free. */
export class Messages {
  readonly inFlight = new Set<Message>()
  /** Agreed in INIT, before any message has views. */
  extendedSetxattr = false
  /** Times that a limit made the kernel wait. */
  stalls = 0
  readonly #limits: MessageLimits
  readonly #maxPayload: number
  readonly #free: Message[] = []
  #freeBytes = 0
  #bytes = 0

  constructor(limits: MessageLimits, maxPayload: number) {
    this.#limits = limits
    this.#maxPayload = maxPayload
  }

  take(): Message | undefined {
    if (this.inFlight.size >= this.#limits.inFlight || this.#bytes >= this.#limits.bytes) {
      this.stalls++
      return undefined
    }
    const free = this.#free.pop()
    if (!free) return new Message(this.#maxPayload)
    this.#freeBytes -= free.used
    return free
  }

  views(message: Message): Views {
    message.views ??= new Views(message, this.extendedSetxattr)
    return message.views as Views
  }

  /** A handler keeps the message until it is answered. */
  detach(message: Message): void {
    message.detached = true
    const reply = message.opcode === Opcode.READ ? message.input[14] : 0
    message.reserved = IN_HEADER_SIZE + message.length + reply
    this.#bytes += message.reserved
    this.inFlight.add(message)
  }

  release(message: Message): void {
    this.inFlight.delete(message)
    this.#bytes -= message.reserved
    message.used = Math.max(message.used, message.reserved)
    message.detached = false
    message.reserved = 0
    message.controller = undefined
    message.gathered = undefined
    message.onSent = undefined
    if (this.#free.length >= FREE_MAX || this.#freeBytes + message.used > FREE_BYTES_MAX) return
    this.#free.push(message)
    this.#freeBytes += message.used
  }
}
