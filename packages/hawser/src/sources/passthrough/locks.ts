import {
  constants as c,
  checked,
  errno,
  FilesystemError,
  type LockReply,
  type LockRequest,
  native,
  offloadInterruptibly,
  type ReleaseRequest,
  sys,
} from '@hawser/fuse'
import { type Memory, memory } from './memory.js'
import type { Resolver } from './resolver.js'

/** A position, exact wherever it is: programs lock single bytes near the end of what there can be. */
function word(low: number, high: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low)
}

/** Locks on the source's own files, so that they hold between this mount and everybody else. */
export class LockOperations {
  readonly #resolver: Resolver
  /**
   * Descriptors by node and owner: a POSIX lock belongs to a process, which the server is not, so that each owner gets an
   * open file of its own and open-file-description locks on it (fcntl(2)).
   */
  readonly #owners = new Map<string, { fd: number; through: number }>()
  /**
   * Owners by the descriptor that they locked through. What is left of them at its last close are open-file-description
   * locks: of those no FLUSH tells.
   */
  readonly #through = new Map<number, Set<string>>()

  constructor(resolver: Resolver) {
    this.#resolver = resolver
  }

  /** Whether an owner holds or waits for POSIX locks. */
  has(node: number, low: number, high: number): boolean {
    return this.#owners.size > 0 && this.#owners.has(`${node}:${high}:${low}`)
  }

  get(node: number, fd: number, request: LockRequest, reply: LockReply): void {
    const lock = this.#encode(request)
    checked(native.syscall(sys.fcntl, this.#owner(node, fd, request), c.F_OFD_GETLK, lock.address))
    const length = lock.bytes.readBigInt64LE(16)
    const start = lock.bytes.readBigInt64LE(8)
    reply.set({
      type: lock.bytes.readInt16LE(0),
      start,
      end: length === 0n ? Number.POSITIVE_INFINITY : start + length - 1n,
      pid: Math.max(0, lock.bytes.readInt32LE(24)),
    })
  }

  set(node: number, fd: number, request: LockRequest, wait: boolean): void | Promise<void> {
    return request.isFlock ? this.#flock(fd, request, wait) : this.#posix(node, fd, request, wait)
  }

  #flock(fd: number, request: LockRequest, wait: boolean): void | Promise<void> {
    const { type } = request
    const how = type === c.F_UNLCK ? c.LOCK_UN : type === c.F_RDLCK ? c.LOCK_SH : c.LOCK_EX
    const result = native.syscall(sys.flock, fd, how | c.LOCK_NB)
    if (result !== -errno.EAGAIN || !wait) {
      checked(result)
      return undefined
    }
    return offloadInterruptibly(request.signal, undefined, sys.flock, fd, how).then((value) => {
      checked(value)
    })
  }

  #posix(node: number, fd: number, request: LockRequest, wait: boolean): void | Promise<void> {
    if (request.type === c.F_UNLCK && !this.has(node, request.ownerLow, request.ownerHigh)) return undefined
    const owner = this.#owner(node, fd, request)
    const lock = this.#encode(request)
    const result = native.syscall(sys.fcntl, owner, c.F_OFD_SETLK, lock.address)
    if (result !== -errno.EAGAIN || !wait) {
      checked(result)
      return undefined
    }
    return offloadInterruptibly(request.signal, lock, sys.fcntl, owner, c.F_OFD_SETLKW, lock.address).then(
      (value) => {
        checked(value)
      },
    )
  }

  /** close(2) by a process gives up all its POSIX locks on the file. */
  flush(node: number, low: number, high: number): void {
    this.#giveUp(`${node}:${high}:${low}`)
  }

  #giveUp(key: string): void {
    const owner = this.#owners.get(key)
    if (!owner) return
    this.#owners.delete(key)
    this.#through.get(owner.through)?.delete(key)
    native.syscall(sys.close, owner.fd)
  }

  /** The last close of an open file gives up its flock. */
  release(node: number, fd: number, request: ReleaseRequest): void {
    if (request.releaseFlockLock) native.syscall(sys.flock, fd, c.LOCK_UN)
    this.flush(node, request.lockOwnerLow, request.lockOwnerHigh)
    for (const key of this.#through.get(fd) ?? []) this.#giveUp(key)
    this.#through.delete(fd)
  }

  #owner(node: number, fd: number, request: LockRequest): number {
    const key = `${node}:${request.ownerHigh}:${request.ownerLow}`
    const known = this.#owners.get(key)
    if (known) return known.fd
    // Read locks need reading, write locks writing: as much as the file lets us.
    let opened = this.#resolver.call.reopen(fd, c.O_RDWR)
    if (opened < 0)
      opened = this.#resolver.call.reopen(fd, request.type === c.F_WRLCK ? c.O_WRONLY : c.O_RDONLY)
    if (opened < 0) throw new FilesystemError(-opened)
    this.#owners.set(key, { fd: opened, through: fd })
    const through = this.#through.get(fd)
    if (through) through.add(key)
    else this.#through.set(fd, new Set([key]))
    return opened
  }

  /** struct flock with 64-bit offsets: type, whence, start @8, len @16, pid @24. */
  #encode(request: LockRequest): Memory {
    const lock = memory(32)
    const start = word(request.startLow, request.startHigh)
    const end = word(request.endLow, request.endHigh)
    lock.bytes.writeInt16LE(request.type, 0)
    lock.bytes.writeBigInt64LE(start, 8)
    lock.bytes.writeBigInt64LE(request.end === Number.POSITIVE_INFINITY ? 0n : end - start + 1n, 16)
    return lock
  }
}
