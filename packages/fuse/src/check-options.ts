import { FuseError } from './errors.js'
import { KERNEL_MINOR, OLDEST_MINOR, PAGE_SIZE } from './protocol/index.js'
import type { SessionOptions } from './session/index.js'

/** max_pages of INIT has 16 bits. */
const PAGES_MAX = 0xffff

/**
 * Checks the numbers of a session before anything is mounted: some would make callers wait for ever.
 * @throws FuseError FUSE_OPTION
 */
export function checkSessionOptions({ maxInFlight, maxMemory, features = {} }: SessionOptions): void {
  const { minor, maxWrite, maxReadahead, maxBackground, requestTimeout, maxStackDepth } = features
  const numbers: [name: string, value: number | undefined, minimum: number, maximum: number][] = [
    ['maxInFlight', maxInFlight, 1, Number.MAX_SAFE_INTEGER],
    ['maxMemory', maxMemory, 1, Number.MAX_SAFE_INTEGER],
    ['minor', minor, OLDEST_MINOR, KERNEL_MINOR],
    ['maxWrite', maxWrite, PAGE_SIZE, PAGES_MAX * PAGE_SIZE],
    ['maxReadahead', maxReadahead, 0, 0xffffffff],
    ['maxBackground', maxBackground, 1, 0xffff],
    ['requestTimeout', requestTimeout, 0, 0xffff],
    ['maxStackDepth', maxStackDepth, 1, 2],
  ]
  for (const [name, value, minimum, maximum] of numbers)
    if (value !== undefined && !(Number.isInteger(value) && value >= minimum && value <= maximum)) {
      const range =
        maximum < Number.MAX_SAFE_INTEGER ? `from ${minimum} to ${maximum}` : `of at least ${minimum}`
      throw new FuseError('FUSE_OPTION', `${name} ${value} must be a whole number ${range}`)
    }
}
