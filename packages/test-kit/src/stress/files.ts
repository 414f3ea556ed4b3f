/** What the processes of the stress test agree on. */
import { pattern } from '../assertions.js'
import { constants as c } from '../native.js'
import * as posix from '../posix.js'

export interface StressTask {
  directory: string
  index: number
  operations: number
  seed: number
}
export interface StressReport {
  counts: Record<string, number>
  problems: string[]
}

/** Of a record in the shared log. */
export const recordLength = 48
/** How many names the processes replace, link and remove in the shared tree. */
export const sharedNames = 16
/** Files of the shared tree that nobody touches. */
export const permanentFiles = 50

// A file says what it must contain: its length and the seed of its bytes come first.
export function selfDescribing(length: number, seed: number): Buffer {
  return Buffer.concat([Buffer.from(`${length} ${seed}\n`.padEnd(32)), pattern(length, seed)])
}

export function describesItself(bytes: Buffer): boolean {
  const [length, seed] = bytes.subarray(0, 32).toString('latin1').split(' ').map(Number)
  return bytes.length === 32 + length && bytes.subarray(32).equals(pattern(length, seed))
}

export function readWhole(path: string): Buffer | number {
  const fd = posix.open(path, c.O_RDONLY)
  if (fd < 0) return fd
  const parts: Buffer[] = []
  for (;;) {
    const part = posix.read(fd, 65_536)
    if (typeof part === 'number' || part.length === 0) {
      posix.close(fd)
      return typeof part === 'number' ? part : Buffer.concat(parts)
    }
    parts.push(part)
  }
}
