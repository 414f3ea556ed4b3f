import type { Address } from '../native.js'
import type { Message } from './message.js'
import { decodeName } from './text.js'

/** A name in a request: bytes without '/' and NUL, ended by NUL where it lies. Valid until the handler has answered. */
export class Name {
  readonly #message: Message
  /** Byte range in the request. */
  start = 0
  end = 0

  constructor(message: Message) {
    this.#message = message
  }

  /** The name as text; see `decodeName` for what is no UTF-8. */
  toString(): string {
    return decodeName(this.#message.inputBytes, this.start, this.end)
  }

  /** A view of the bytes. */
  get bytes(): Buffer {
    return this.#message.inputBytes.subarray(this.start, this.end)
  }

  get length(): number {
    return this.end - this.start
  }

  /** Where the NUL-terminated bytes lie in memory. */
  get address(): Address {
    return this.#message.inputAddress + this.start
  }
}
