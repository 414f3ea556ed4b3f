import { createRequire } from 'node:module'

export type Word = number | bigint | Buffer | null

interface Native {
  /** syscall(2): the result, or minus errno. */
  call(number: number, ...words: Word[]): number | bigint
  /** Where a Buffer's bytes are. */
  address(buffer: Buffer): number
  /** memcpy that answers -EFAULT where the memory raises SIGBUS or SIGSEGV. */
  copyMemory(to: Word, from: Word, length: number): number
  /** setgroups, setresgid and setresuid, for every thread. */
  become(uid: number, gid: number, groups: Buffer, count: number): number
  /** Installs a handler without SA_RESTART, so that a waiting call returns EINTR. */
  interruptOn(signal: number): number
  pathConfiguration(path: Buffer, name: number): number
  makeDevice(major: number, minor: number): number
  constants: Record<string, number>
}

export const native = createRequire(import.meta.url)('../build/native.node') as Native

/** O_*, S_*, SYS_*, errno and other constants of this machine's C headers. An unknown name throws: it would pass as 0. */
export const constants: Readonly<Record<string, number>> = new Proxy(native.constants, {
  get(table, name) {
    const value = table[name as string]
    if (value === undefined) throw new ReferenceError(`no such constant: ${String(name)}`)
    return value
  },
})

const errnoNames = new Map(
  Object.entries(native.constants)
    .filter(([name]) => /^E[A-Z0-9]+$/.test(name))
    .map(([name, value]) => [value, name]),
)

/** The name of the errno in a negative result. */
export function errnoName(result: number): string {
  return errnoNames.get(-result) ?? `errno ${-result}`
}
