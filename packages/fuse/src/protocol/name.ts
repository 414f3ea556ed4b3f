import { type Address, native } from '../native.js'
import type { Message } from './message.js'
import { decodeName, encodeName } from './text.js'

/** A name: bytes without '/' and NUL, followed by NUL. In a request it is valid until the handler has answered. */
export class Name {
  /** Holds the bytes `start` to `end`. */
  readonly memory: Buffer
  readonly #address: Address
  /** Byte range in its memory. */
  start = 0
  end = 0

  private constructor(memory: Buffer, address: Address) {
    this.memory = memory
    this.#address = address
  }

  /** @internal a name inside a request */
  static within(message: Message): Name {
    return new Name(message.inputBytes, message.inputAddress)
  }

  /** @internal a name inside a reply, not followed by NUL */
  static withinReply(message: Message): Name {
    return new Name(message.outputBytes, message.outputAddress)
  }

  /** A name of its own. */
  static of(name: string | Uint8Array): Name {
    const bytes = typeof name === 'string' ? encodeName(name) : name
    const memory = Buffer.alloc(bytes.length + 1)
    memory.set(bytes)
    const result = new Name(memory, native.address(memory))
    result.end = bytes.length
    return result
  }

  /** The name as text; see `decodeName` for what is no UTF-8. */
  toString(): string {
    return decodeName(this.memory, this.start, this.end)
  }

  /** A view of the bytes. */
  get bytes(): Buffer {
    return this.memory.subarray(this.start, this.end)
  }

  get length(): number {
    return this.end - this.start
  }

  /** Where the NUL-terminated bytes lie in memory. */
  get address(): Address {
    return this.#address + this.start
  }
}
