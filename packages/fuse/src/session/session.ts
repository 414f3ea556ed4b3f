import { errnoName, FilesystemError, FuseError } from '../errors.js'
import type { Filesystem, Host, Result } from '../filesystem.js'
import { errno, native, sys } from '../native.js'
import { offload } from '../offload.js'
import * as p from '../protocol/index.js'
import { type AccessRule, allowed, dropTimeouts, withAccessChecks } from './access.js'
import { ClassicEngine } from './classic-engine.js'
import { dispatch, supportedOpcodes } from './dispatch.js'
import type { Engine, EngineOwner } from './engine.js'
import { Messages } from './messages.js'
import { type Features, negotiate } from './negotiate.js'
import { DeviceNotifier } from './notifier.js'
import { Statistics } from './statistics.js'

const { Opcode } = p

export type LogLevel = 'error' | 'warn' | 'info' | 'debug'
export type SessionLog = (level: LogLevel, message: string) => void

export interface SessionOptions {
  features?: Features
  /** Requests in asynchronous handlers at the same time; at the limit the kernel waits. Default 1024. */
  maxInFlight?: number
  /** Bytes of their requests and replies. Default 256 MiB. */
  maxMemory?: number
  /** Serve only these users, whatever the kernel lets in; nothing is cached then. */
  access?: AccessRule
  log?: SessionLog
}

const IN_FLIGHT_DEFAULT = 1024
const MEMORY_DEFAULT = 256 << 20

/** Serves one file system on one /dev/fuse connection. */
export class Session implements EngineOwner {
  readonly statistics = new Statistics()
  /** Settles when the connection has ended and the file system's `destroy` has returned. */
  readonly closed: Promise<void>
  /** What was agreed in INIT; undefined before. */
  agreed: p.InitReply | undefined
  readonly #filesystem: Required<Filesystem>
  readonly #features: Features
  readonly #access: AccessRule | undefined
  readonly #log: SessionLog
  readonly #fd: number
  readonly #messages: Messages
  readonly #notifier: DeviceNotifier
  readonly #engine: Engine
  readonly #supported: Uint8Array
  #extendedSetxattr = false
  #ended = false
  #started!: { resolve: () => void; reject: (error: unknown) => void }
  #close!: () => void

  /** @param fd /dev/fuse, mounted or about to be, non-blocking; the session does not close it */
  constructor(filesystem: Filesystem, fd: number, options: SessionOptions = {}) {
    const served = options.access ? withAccessChecks(filesystem) : filesystem
    this.#filesystem = served as Required<Filesystem>
    this.#supported = supportedOpcodes(served)
    this.#features = options.features ?? {}
    this.#access = options.access
    this.#log = options.log ?? ((level, message) => level !== 'debug' && console.error(`fuse: ${message}`))
    this.#fd = fd
    const maxWrite = this.#features.maxWrite ?? 1 << 20
    this.#messages = new Messages(
      { inFlight: options.maxInFlight ?? IN_FLIGHT_DEFAULT, bytes: options.maxMemory ?? MEMORY_DEFAULT },
      maxWrite,
    )
    this.#notifier = new DeviceNotifier(fd, (message) => this.#log('warn', message))
    this.#engine = new ClassicEngine(fd, this, this.statistics, (message) => this.#log('error', message))
    this.closed = new Promise((resolve) => {
      this.#close = resolve
    })
  }

  get engine(): 'classic' | 'io_uring' {
    return this.#engine.name
  }
  /** Requests that handlers are working on. */
  get inFlight(): number {
    return this.#messages.inFlight.size
  }
  /** Times that maxInFlight or maxMemory made the kernel wait. */
  get stalls(): number {
    return this.#messages.stalls
  }
  get notifier(): DeviceNotifier {
    return this.#notifier
  }

  /** Serves; resolves when the kernel's INIT has been answered. */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#started = { resolve, reject }
      this.#engine.start()
    })
  }

  /** Takes no more requests: for a connection that never began, or whose descriptor goes to another process. */
  stop(): void {
    this.#engine.stop()
    this.ended(errno.ENODEV)
  }

  take(): p.Message | undefined {
    return this.#messages.take()
  }

  handle(message: p.Message, length: number): void {
    message.begin(length)
    const wrong = p.validateRequest(message, this.#extendedSetxattr)
    if (wrong !== undefined) {
      this.#log('error', `malformed request (operation ${message.opcode}): ${wrong}`)
      return message.fail(errno.EIO)
    }
    const { opcode } = message
    if (this.#supported[opcode] === 1) {
      if (this.#access && !allowed(this.#access, message)) return message.fail(errno.EACCES)
      let result: Result
      try {
        result = dispatch(this.#filesystem, this.#messages.views(message))
      } catch (error) {
        return this.#failure(message, error)
      }
      if (result !== undefined && typeof result.then === 'function') {
        this.#messages.detach(message)
        result.then(
          () => this.#finish(message),
          (error) => {
            this.#failure(message, error)
            this.#finish(message)
          },
        )
        return
      }
      if (this.#access && !message.failed) dropTimeouts(message)
      if (message.rangeFd >= 0) this.#sendRange(message)
      else if (message.gathered) this.#sendGathered(message)
      else if (message.onSent) this.#sendNow(message)
    } else this.#serve(message, opcode)
  }

  /** What the session answers itself. */
  #serve(message: p.Message, opcode: number): void {
    const { input } = message
    switch (opcode) {
      case Opcode.FORGET:
        message.replyLength = 0
        this.#filesystem.forget?.(input[4] + input[5] * 4294967296, input[10] + input[11] * 4294967296)
        return
      case Opcode.BATCH_FORGET:
        message.replyLength = 0
        if (this.#filesystem.forget)
          for (let left = input[10], at = 12; left > 0; left--, at += 4)
            this.#filesystem.forget(
              input[at] + input[at + 1] * 4294967296,
              input[at + 2] + input[at + 3] * 4294967296,
            )
        return
      case Opcode.INTERRUPT:
        message.replyLength = 0
        return this.#interrupt(input[10], input[11])
      case Opcode.INIT:
        return this.#initialize(message)
      case Opcode.NOTIFY_REPLY:
        message.replyLength = 0
        return this.#notifier.retrieved(
          input[2] + input[3] * 4294967296,
          message.inputBytes.subarray(80, 80 + input[14]),
        )
      case Opcode.STATFS:
        return this.#defaultStatfs(message)
      case Opcode.RELEASE:
      case Opcode.RELEASEDIR:
      case Opcode.DESTROY:
        return
      default:
        return message.fail(errno.ENOSYS)
    }
  }

  #defaultStatfs(message: p.Message): void {
    message.replyLength = p.OUT_HEADER_SIZE + p.StatfsReply.size
    message.output.fill(0, 4, 24)
    this.#messages.views(message).statfsReply.set({})
  }

  #initialize(message: p.Message): void {
    const offer = p.decodeInit(message)
    // A newer major version: answer with ours, the kernel asks again in it.
    if (offer.major > p.KERNEL_VERSION) {
      message.output.fill(0, 4, 20)
      message.output[4] = p.KERNEL_VERSION
      message.output[5] = p.KERNEL_MINOR
      message.replyLength = p.OUT_HEADER_SIZE + 64
      return
    }
    let agreed: p.InitReply
    try {
      agreed = negotiate(
        offer,
        this.#filesystem,
        this.#access ? { ...this.#features, cacheSymlinks: false } : this.#features,
      )
    } catch (error) {
      this.#started.reject(error)
      return message.fail(errno.EPROTO)
    }
    this.agreed = agreed
    this.#extendedSetxattr = (agreed.flags & p.InitFlag.SETXATTR_EXT) !== 0
    this.#messages.extendedSetxattr = this.#extendedSetxattr
    p.encodeInit(message, agreed)
    this.#sendNow(message)
    this.#filesystem.init?.(this.#host())
    this.#started.resolve()
  }

  #host(): Host {
    const agreed = this.agreed as p.InitReply
    const canPass = (agreed.flags2 & p.InitFlag2.PASSTHROUGH) !== 0
    const map = new Int32Array(4)
    const address = native.address(new Uint8Array(map.buffer))
    return {
      notifier: this.#notifier,
      descriptorReplies: true,
      openBacking: (fd) => {
        if (!canPass) return undefined
        map.fill(0)
        map[0] = fd
        return native.syscall(sys.ioctl, this.#fd, p.DeviceIoctl.BACKING_OPEN, address)
      },
      closeBacking: (id) => {
        map[0] = id
        native.syscall(sys.ioctl, this.#fd, p.DeviceIoctl.BACKING_CLOSE, address)
      },
      log: this.#log,
    }
  }

  #interrupt(low: number, high: number): void {
    for (const message of this.#messages.inFlight)
      if (message.input[2] === low && message.input[3] === high) {
        message.interrupted = true
        message.controller?.abort()
        return
      }
    // Not here: it was answered in the meantime.
  }

  #failure(message: p.Message, error: unknown): void {
    message.fail(this.#errnoOf(message, error))
  }

  #errnoOf(message: p.Message, error: unknown): number {
    if (error instanceof FilesystemError) return error.errno
    const { name, code, syscall, errno: number } = error as NodeJS.ErrnoException
    if (name === 'AbortError' && message.interrupted) return errno.EINTR
    // Node's own system errors carry the kernel's errno, negated.
    if (
      typeof code === 'string' &&
      typeof syscall === 'string' &&
      typeof number === 'number' &&
      number < 0 &&
      number > -512
    )
      return -number
    const operation = p.opcodeNames[message.opcode] ?? message.opcode
    this.#log('error', `${operation} of node ${message.input[4]} failed: ${(error as Error)?.stack ?? error}`)
    return errno.EIO
  }

  /** Answers a detached message. */
  #finish(message: p.Message): void {
    if (this.#access && !message.failed) dropTimeouts(message)
    if (message.rangeFd >= 0) return this.#sendRange(message)
    this.#send(message)
  }

  #send(message: p.Message): void {
    if (!this.#ended && message.replyLength > 0) this.#engine.send(message)
    const { onSent } = message
    this.#messages.release(message)
    onSent?.()
    this.#engine.resume()
  }

  /** Answers within the turn, where the engine's own reply would come too late or carries too little. */
  #sendNow(message: p.Message): void {
    this.#engine.send(message)
    message.replyLength = 0
    const { onSent } = message
    message.onSent = undefined
    onSent?.()
  }

  #sendGathered(message: p.Message): void {
    this.#sendNow(message)
    message.gathered = undefined
  }

  /** Reads a range of a descriptor into the reply: at once where it is in memory, else by another thread. */
  #sendRange(message: p.Message): void {
    const { rangeFd: fd, rangeOffset: offset, rangeLength: length } = message
    const to = message.outputAddress + p.OUT_HEADER_SIZE
    message.rangeFd = -1
    if (length === 0) return message.detached ? this.#send(message) : undefined
    if (message.rangeRead === p.RangeRead.INLINE)
      return this.#rangeDone(message, native.syscall(sys.pread64, fd, to, length, offset))
    if (message.rangeRead === p.RangeRead.PROBE) {
      let result = native.readNowait(fd, to, length, offset)
      // A short read may be the end of what is cached, not of the file.
      if (result > 0 && result < length) {
        const more = native.readNowait(fd, to + result, length - result, offset + result)
        if (more !== 0) result = -errno.EAGAIN
      }
      if (result !== -errno.EAGAIN && result !== -errno.EOPNOTSUPP) return this.#rangeDone(message, result)
    }
    if (!message.detached) this.#messages.detach(message)
    void offload(message, sys.pread64, fd, to, length, offset).then((count) =>
      this.#rangeDone(message, count),
    )
  }

  #rangeDone(message: p.Message, result: number): void {
    if (result < 0) message.fail(-result)
    else message.replyLength = p.OUT_HEADER_SIZE + result
    if (message.detached) this.#send(message)
    else if (message.onSent) this.#sendNow(message)
  }

  ended(code: number): void {
    if (this.#ended) return
    this.#ended = true
    this.#notifier.close()
    if (code !== errno.ENODEV && code !== errno.ECONNABORTED)
      this.#log('error', `reading /dev/fuse failed: ${errnoName(code)}`)
    for (const message of this.#messages.inFlight) {
      message.interrupted = true
      message.controller?.abort()
    }
    this.#started.reject(
      new FuseError('FUSE_CLOSED', 'the connection ended before the kernel had asked for anything'),
    )
    void (async () => {
      try {
        await this.#filesystem.destroy?.()
      } catch (error) {
        this.#log('error', `destroy failed: ${(error as Error)?.stack ?? error}`)
      }
      this.#close()
    })()
  }
}
