import { native } from '@hawser/fuse'

/** Zeroed memory for arguments of system calls, and its address. */
export interface Memory {
  readonly bytes: Buffer
  readonly words: Uint32Array
  readonly address: number
}

export function memory(size: number): Memory {
  const bytes = Buffer.from(new ArrayBuffer(size))
  return { bytes, words: new Uint32Array(bytes.buffer, 0, size >> 2), address: native.address(bytes) }
}

/** A NUL-terminated string that stays where it is. */
export function text(value: string): Memory {
  const result = memory((Buffer.byteLength(value) + 1 + 3) & ~3)
  result.bytes.write(value)
  return result
}

/** "/proc/self/fd/N" for changing descriptors: how a file known by an O_PATH descriptor is opened or named again. */
export class DescriptorPath {
  readonly #memory = text('/proc/self/fd/0000000000')
  static readonly #prefix = '/proc/self/fd/'.length

  /** The path's address; good until the next call. */
  of(fd: number): number {
    const { bytes, address } = this.#memory
    let digits = 1
    for (let rest = fd; rest >= 10; rest = Math.floor(rest / 10)) digits++
    bytes[DescriptorPath.#prefix + digits] = 0
    for (let at = DescriptorPath.#prefix + digits - 1, rest = fd; at >= DescriptorPath.#prefix; at--) {
      bytes[at] = 48 + (rest % 10)
      rest = Math.floor(rest / 10)
    }
    return address
  }
}
