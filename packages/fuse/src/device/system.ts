import { readFileSync } from 'node:fs'
import { Lane, offloadTo } from '../offload.js'
import { encodeName } from '../protocol/text.js'

/** CAP_SYS_ADMIN, capabilities(7): may mount and unmount in its own mount namespace. */
const CAP_SYS_ADMIN = 21n

/** A string as C expects it: bytes and a final NUL. */
export function cString(text: string): Buffer {
  return Buffer.concat([encodeName(text), Buffer.of(0)])
}

/**
 * Makes a system call in a thread of its own, and resolves to its value or negated errno. For calls that may wait for a
 * server that never answers: they hold no thread that others need.
 */
export function ownThread(memory: unknown, number: number, ...args: number[]): Promise<number> {
  return new Promise((resolve) => offloadTo(Lane.OWN, resolve, memory, number, ...args))
}

/** Whether this process holds CAP_SYS_ADMIN (root, or root of a user namespace). */
export function maySysAdmin(): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'latin1'))
  return effective !== null && ((BigInt(`0x${effective[1]}`) >> CAP_SYS_ADMIN) & 1n) === 1n
}
