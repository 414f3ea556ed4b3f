import { native } from '@hawser/fuse'

/** Blocks are multiples of this, and positions count in it: 2^32 positions are 32 GiB. */
const UNIT = 8
/** The longest block: a name of 255 bytes with its NUL, and a file handle of 128 bytes. */
const CLASSES = 64
const INITIAL = 1 << 20
const MAXIMUM = 4 * 2 ** 30 - 65536

/** Short byte strings in one growing block of shared memory, which never moves. Position 0 is no block. */
export class ByteArena {
  readonly #buffer: SharedArrayBuffer
  #bytes: Uint8Array
  #words: Uint32Array
  /** Where each class's free blocks begin; a free block's first word is the next. */
  readonly #free = new Uint32Array(CLASSES + 1)
  #end = 1
  readonly address: number

  constructor() {
    this.#buffer = new SharedArrayBuffer(INITIAL, { maxByteLength: MAXIMUM })
    this.#bytes = new Uint8Array(this.#buffer, 0, this.#buffer.byteLength)
    this.#words = new Uint32Array(this.#buffer, 0, this.#buffer.byteLength >> 2)
    this.address = native.address(this.#bytes)
  }

  get bytes(): Uint8Array {
    return this.#bytes
  }

  /** The first byte's index of a block's position. */
  static byteOf(position: number): number {
    return position * UNIT
  }

  /** Returns the position of a block of at least `length` bytes, at most 512. */
  allocate(length: number): number {
    const units = Math.ceil(length / UNIT) || 1
    const free = this.#free[units]
    if (free !== 0) {
      this.#free[units] = this.#words[free * 2]
      return free
    }
    const position = this.#end
    this.#end += units
    if (this.#end * UNIT > this.#bytes.length) this.#grow()
    return position
  }

  release(position: number, length: number): void {
    const units = Math.ceil(length / UNIT) || 1
    this.#words[position * 2] = this.#free[units]
    this.#free[units] = position
  }

  #grow(): void {
    const size = Math.min(MAXIMUM, Math.ceil((this.#buffer.byteLength * 3) / 2 / 65536) * 65536)
    if (size < this.#end * UNIT) throw new RangeError('too many names: the name memory is full')
    this.#buffer.grow(size)
    this.#bytes = new Uint8Array(this.#buffer, 0, this.#buffer.byteLength)
    this.#words = new Uint32Array(this.#buffer, 0, this.#buffer.byteLength >> 2)
  }
}
