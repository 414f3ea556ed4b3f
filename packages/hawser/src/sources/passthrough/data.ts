import {
  type CopyFileRangeRequest,
  type CopyReply,
  constants as c,
  checked,
  errno,
  type FallocateRequest,
  FilesystemError,
  type FsyncRequest,
  type LseekReply,
  type LseekRequest,
  native,
  offload,
  offloadInterruptibly,
  RangeRead,
  type ReadReply,
  type ReadRequest,
  type Request,
  sys,
  type WriteReply,
  type WriteRequest,
} from '@hawser/fuse'
import type { AttributeOperations } from './attributes.js'
import type { Credentials } from './credentials.js'
import type { FilesystemKind } from './filesystem-kind.js'
import { memory } from './memory.js'
import { FileState, type OpenFiles } from './open-files.js'

/** Flags of an open file that fcntl(2) may change later; requests carry their present state. */
const CHANGEABLE = () => c.O_APPEND | c.O_DIRECT
/** An inline write that took longer sends the next ones to other threads for a while: the disk is throttling writers. */
const SLOW_WRITE_MS = 2
const THREADS_FOR_MS = 1000
/** copy_file_range(2) in steps, so that an interrupted copy of a huge file ends soon. */
const COPY_STEP = 1 << 30

/** Contents of open files. */
export class DataOperations {
  readonly #files: OpenFiles
  readonly #attributes: AttributeOperations
  readonly #credentials: Credentials
  readonly #kind: FilesystemKind
  /** Whether pwritev2(RWF_NOWAIT) says EOPNOTSUPP here, as ext4's buffered writes do. */
  #cannotTell = false
  #threadsUntil = 0

  constructor(
    files: OpenFiles,
    attributes: AttributeOperations,
    credentials: Credentials,
    kind: FilesystemKind,
  ) {
    this.#files = files
    this.#attributes = attributes
    this.#credentials = credentials
    this.#kind = kind
  }

  read(fd: number, request: ReadRequest, reply: ReadReply): void {
    const flags = this.#follow(fd, request.flags)
    const how =
      flags & c.O_DIRECT ? RangeRead.THREAD : this.#kind === 'memory' ? RangeRead.INLINE : RangeRead.PROBE
    reply.descriptor(fd, request.offset, request.size, how)
  }

  write(fd: number, request: WriteRequest, reply: WriteReply): void | Promise<void> {
    const { offset, size, dataAddress, killSetId } = request
    // What comes from the page cache (shared mmap) belongs where it was mapped: pwrite(2) would append it to an O_APPEND file.
    const flags = this.#follow(fd, request.fromCache ? this.#files.flags(fd) & ~c.O_APPEND : request.flags)
    this.#files.mark(fd, FileState.WRITTEN)
    if (this.#inThread(flags)) {
      if (killSetId) this.#attributes.clearSetId(fd, request)
      return this.#writeInThread(fd, request, reply, 0)
    }
    this.#credentials.keepSetId(!killSetId)
    let result: number
    if (this.#kind === 'memory') result = native.syscall(sys.pwrite64, fd, dataAddress, size, offset)
    else if (this.#cannotTell) result = this.#writeTimed(fd, dataAddress, size, offset)
    else {
      result = native.writeNowait(fd, dataAddress, size, offset, 0)
      if (result === -errno.EOPNOTSUPP) {
        this.#cannotTell = true
        result = this.#writeTimed(fd, dataAddress, size, offset)
      } else if (result === -errno.EAGAIN || (result >= 0 && result < size)) {
        if (killSetId) this.#attributes.clearSetId(fd, request)
        return this.#writeInThread(fd, request, reply, Math.max(result, 0))
      }
    }
    reply.size = checked(result)
  }

  #inThread(flags: number): boolean {
    if (this.#kind === 'memory') return false
    if (this.#kind === 'remote' || (flags & (c.O_DIRECT | c.O_DSYNC)) !== 0) return true
    return this.#threadsUntil > 0 && this.#throttled()
  }

  #throttled(): boolean {
    if (performance.now() < this.#threadsUntil) return true
    this.#threadsUntil = 0
    return false
  }

  #writeTimed(fd: number, from: number, size: number, offset: number): number {
    const start = performance.now()
    const result = native.syscall(sys.pwrite64, fd, from, size, offset)
    const end = performance.now()
    if (end - start > SLOW_WRITE_MS) this.#threadsUntil = end + THREADS_FOR_MS
    return result
  }

  #writeInThread(fd: number, request: WriteRequest, reply: WriteReply, done: number): Promise<void> {
    const { message } = request
    return offload(
      message,
      sys.pwrite64,
      fd,
      request.dataAddress + done,
      request.size - done,
      request.offset + done,
    ).then((result) => {
      if (result < 0 && done === 0) throw new FilesystemError(-result)
      reply.size = done + Math.max(result, 0)
    })
  }

  /** Brings the descriptor's changeable flags in line with the caller's. */
  #follow(fd: number, wanted: number): number {
    const have = this.#files.flags(fd)
    const changeable = CHANGEABLE()
    if (((wanted ^ have) & changeable) === 0) return have
    const flags = (have & ~changeable) | (wanted & changeable)
    if (native.syscall(sys.fcntl, fd, c.F_SETFL, flags & ~c.O_ACCMODE) < 0) return have
    this.#files.setFlags(fd, flags)
    return flags
  }

  /** Contents change by a request that has no flag for set-id bits: whoever is not root loses them, as with a write. */
  #changing(fd: number, request: Request): void {
    this.#files.mark(fd, FileState.WRITTEN)
    if (request.uid !== 0) this.#attributes.clearSetId(fd, request)
  }

  async fsync(fd: number, request: FsyncRequest): Promise<void> {
    const call = request.dataOnly ? sys.fdatasync : sys.fsync
    // No signal interrupts a disk.
    const remote = this.#kind === 'remote'
    checked(
      await (remote
        ? offloadInterruptibly(request.signal, undefined, call, fd)
        : offload(undefined, call, fd)),
    )
  }

  async allocate(fd: number, request: FallocateRequest): Promise<void> {
    this.#changing(fd, request)
    checked(await offload(undefined, sys.fallocate, fd, request.mode, request.offset, request.length))
  }

  seek(fd: number, request: LseekRequest, reply: LseekReply): void | Promise<void> {
    const { offset, whence } = request
    if (this.#kind !== 'remote') {
      reply.offset = checked(native.syscall(sys.lseek, fd, offset, whence))
      return undefined
    }
    return offload(undefined, sys.lseek, fd, offset, whence).then((result) => {
      reply.offset = checked(result)
    })
  }

  async copy(from: number, to: number, request: CopyFileRangeRequest, reply: CopyReply): Promise<void> {
    this.#changing(to, request)
    const offsets = memory(16)
    offsets.bytes.writeBigInt64LE(BigInt(request.offset), 0)
    offsets.bytes.writeBigInt64LE(BigInt(request.outOffset), 8)
    const length = Math.min(request.length, COPY_STEP)
    reply.copied = checked(
      await offload(
        offsets,
        sys.copy_file_range,
        from,
        offsets.address,
        to,
        offsets.address + 8,
        length,
        request.flags,
      ),
    )
  }

  /** What close(2) of the file beneath would say: a full disk or quota that shows late. */
  flush(fd: number): void | Promise<void> {
    const state = this.#files.state(fd)
    // The kernel's own writes are not seen here: any writable file may have been written.
    if (
      (state & FileState.WRITTEN) === 0 &&
      (state & (FileState.KERNEL | FileState.WRITABLE)) !== (FileState.KERNEL | FileState.WRITABLE)
    )
      return undefined
    const copy = checked(native.syscall(sys.fcntl, fd, c.F_DUPFD_CLOEXEC, 0))
    if (this.#kind !== 'remote') {
      checked(native.syscall(sys.close, copy))
      return undefined
    }
    return offload(undefined, sys.close, copy).then((result) => {
      checked(result)
    })
  }
}
