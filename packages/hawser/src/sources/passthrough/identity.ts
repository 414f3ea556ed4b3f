import { native } from '@hawser/fuse'

/** Bytes of struct identity in the addon (packages/fuse/native/files.c). */
export const IDENTITY_SIZE = 192
const WORDS = IDENTITY_SIZE / 4

/** Word indices of struct identity: what tells a file from every other, as statx(2) and name_to_handle_at(2) say. */
export const Identity = {
  MODE: 0,
  NLINK: 1,
  DEV_MAJOR: 2,
  DEV_MINOR: 3,
  INO_LOW: 4,
  INO_HIGH: 5,
  BIRTH_SECONDS: 6,
  BIRTH_NANOSECONDS: 8,
  ATTRIBUTES: 9,
  SIZE_LOW: 10,
  SIZE_HIGH: 11,
  GID: 12,
  HANDLE_BYTES: 14,
  HANDLE_TYPE: 15,
  HANDLE: 16,
} as const

/** Room for the identities of `count` files, filled by the addon. */
export class Identities {
  readonly words: Uint32Array
  readonly bytes: Uint8Array
  readonly address: number

  constructor(count: number) {
    this.words = new Uint32Array(count * WORDS)
    this.bytes = new Uint8Array(this.words.buffer)
    this.address = native.address(this.bytes)
  }

  /** Word index of the identity at `index`. */
  static at(index: number): number {
    return index * WORDS
  }
}
