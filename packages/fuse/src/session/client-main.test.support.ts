// A process that uses mounts: it runs the functions that it is sent, and answers with what they return. Its parent serves
// the mount and must never touch it itself.
import * as childProcess from 'node:child_process'
import * as fs from 'node:fs'
import { cString } from '../device/system.js'
import { errnoName } from '../errors.js'
import { constants, errno, native, sys } from '../native.js'

export interface Tools {
  fs: typeof fs
  childProcess: typeof childProcess
  native: typeof native
  sys: typeof sys
  constants: typeof constants
  errno: typeof errno
  /** The result of a system call on a path and numbers; negated errno. */
  at: (number: number, path: string, ...args: number[]) => number
  cString: typeof cString
  /** The errno's name of the error that a function throws, whether Node knows it or not; '' where it throws none. */
  failure: (call: () => unknown) => string
  /**
   * Remounts, which makes the kernel forget what nobody uses of the mount. (drop_caches would empty the caches of the whole
   * machine, and of other tests.)
   */
  forgetUnused: (mountpoint: string) => void
  /** Loads a module of this package, named from its dist folder. */
  load: (module: string) => Promise<Record<string, unknown>>
}

const tools: Tools = {
  fs,
  childProcess,
  native,
  sys,
  constants,
  errno,
  cString,
  at: (number, path, ...args) => {
    const name = cString(path)
    return native.syscall(number, constants.AT_FDCWD, native.address(name), ...args)
  },
  failure: (call) => {
    try {
      call()
      return ''
    } catch (error) {
      const { errno: number } = error as NodeJS.ErrnoException
      return number === undefined ? String(error) : errnoName(-number)
    }
  },
  forgetUnused: (mountpoint) => {
    const MS_REMOUNT = 32
    const name = cString(mountpoint)
    const flags = MS_REMOUNT | constants.MS_NOSUID | constants.MS_NODEV
    const result = native.syscall(sys.mount, 0, native.address(name), 0, flags, 0)
    if (result < 0) throw new Error(`${mountpoint} cannot be remounted: ${errnoName(-result)}`)
  },
  load: (module) => import(new URL(`../${module}`, import.meta.url).href),
}

interface Call {
  source: string
  args: unknown[]
}

process.on('message', async ({ source, args }: Call) => {
  try {
    const value = await new Function(`return (${source})`)()(tools, ...args)
    process.send?.({ value })
  } catch (error) {
    const { message, code, stack } = error as NodeJS.ErrnoException
    process.send?.({ error: { message, code, stack } })
  }
})
process.on('disconnect', () => process.exit())
process.send?.({ ready: true })
