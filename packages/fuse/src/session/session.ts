import { inspect } from 'node:util'
import { errnoName, FilesystemError, FuseError } from '../errors.js'
import type { Filesystem, Host } from '../filesystem.js'
import { errno, native, sys } from '../native.js'
import * as p from '../protocol/index.js'
import { type AccessRule, allowed, guardReply } from './access.js'
import { ClassicEngine } from './classic-engine.js'
import { dispatch, supportedOpcodes } from './dispatch.js'
import type { Engine, EngineOwner } from './engine.js'
import { Messages } from './messages.js'
import { type Features, negotiate } from './negotiate.js'
import { DeviceNotifier } from './notifier.js'
import { Ranges } from './ranges.js'
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
  /**
   * Look for the next request for some microseconds before going to sleep, while callers ask for one thing after another
   * (lingering.ts). Costs processor time. Default false.
   */
  linger?: boolean
  /** Serve only these users, whatever the kernel lets in; nothing is cached then. */
  access?: AccessRule
  log?: SessionLog
}

const IN_FLIGHT_DEFAULT = 1024
const MEMORY_DEFAULT = 256 << 20
/** How long the end of a session waits for handlers that still work on requests. */
const GRACE_MS = 5000
/** In the upper half of a unique: the kernel sent the request once more (FUSE_UNIQUE_RESEND). */
const RESENT = 0x80000000

/** Anything may be thrown, also what cannot be made a string. */
function describe(error: unknown): string {
  try {
    return String((error as Error)?.stack ?? (typeof error === 'string' ? error : inspect(error)))
  } catch {
    return 'with something that cannot be shown'
  }
}

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
  readonly #ranges: Ranges
  #extendedSetxattr = false
  #ended = false
  #idle: (() => void) | undefined
  #started: { resolve: () => void; reject: (error: unknown) => void } | undefined
  #close!: () => void

  /** @param fd /dev/fuse, mounted or about to be, non-blocking; the session does not close it */
  constructor(filesystem: Filesystem, fd: number, options: SessionOptions = {}) {
    this.#filesystem = filesystem as Required<Filesystem>
    this.#supported = supportedOpcodes(filesystem)
    this.#features = options.features ?? {}
    this.#access = options.access
    const log: SessionLog =
      options.log ?? ((level, message) => level !== 'debug' && console.error(`fuse: ${message}`))
    this.#log = (level, message) => {
      try {
        log(level, message)
      } catch {
        // Whoever waits for an answer gets it all the same.
      }
    }
    this.#fd = fd
    const maxWrite = this.#features.maxWrite ?? 1 << 20
    this.#messages = new Messages(
      { inFlight: options.maxInFlight ?? IN_FLIGHT_DEFAULT, bytes: options.maxMemory ?? MEMORY_DEFAULT },
      maxWrite,
    )
    this.#notifier = new DeviceNotifier(fd, (message) => this.#log('warn', message))
    this.#engine = new ClassicEngine(fd, this, this.statistics, options.linger ?? false, (message) =>
      this.#log('error', message),
    )
    this.#ranges = new Ranges({
      detach: (message) => message.detached || this.#messages.detach(message),
      answer: (message) => this.#answer(message),
      finish: (message, answered) => this.#end(message, answered),
    })
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
    if (this.#access && !allowed(this.#access, message)) return message.fail(errno.EACCES)
    if (this.#supported[opcode] !== 1) {
      this.#serve(message, opcode)
      if (this.#access) guardReply(message)
      return
    }
    if (message.input[3] >= RESENT && this.#takenOver(message)) return
    try {
      const result = dispatch(this.#filesystem, this.#messages.views(message))
      if (result !== undefined && typeof result.then === 'function') return this.#await(message, result)
    } catch (error) {
      this.#failure(message, error)
    }
    if (this.#access) guardReply(message)
    // The engine reads a range on its way out, unless somebody waits for it to be sent.
    if (message.rangeFd >= 0) {
      if (message.rangeRead !== p.RangeRead.THREAD && !message.onSent && message.rangeLength > 0) return
      if (this.#ranges.read(message)) return
    }
    // What the engine's own reply does not carry.
    if (message.gathered || message.onSent) this.#sendNow(message)
  }

  readLater(message: p.Message): void {
    message.rangeRead = p.RangeRead.THREAD
    this.#ranges.read(message)
  }

  #await(message: p.Message, result: PromiseLike<void>): void {
    this.#messages.detach(message)
    // Only the platform's own promises are sure to settle once.
    const settled = result instanceof Promise ? result : Promise.resolve(result)
    settled.then(
      () => this.#finish(message),
      (error) => {
        this.#failure(message, error)
        this.#finish(message)
      },
    )
  }

  /** A request that was sent once more while its handler still works here: that one answers, under the new number. */
  #takenOver(message: p.Message): boolean {
    const { input } = message
    for (const earlier of this.#messages.inFlight)
      if (earlier.input[2] === input[2] && (earlier.input[3] | RESENT) >>> 0 === input[3]) {
        earlier.input[3] = earlier.output[3] = input[3]
        message.replyLength = 0
        return true
      }
    return false
  }

  /** What the session answers itself. */
  #serve(message: p.Message, opcode: number): void {
    const { input } = message
    switch (opcode) {
      case Opcode.FORGET:
        message.replyLength = 0
        return this.#forget(input, 4, 10)
      case Opcode.BATCH_FORGET:
        message.replyLength = 0
        for (let left = input[10], at = 12; left > 0; left--, at += 4) this.#forget(input, at, at + 2)
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

  #forget(input: Uint32Array, id: number, count: number): void {
    try {
      this.#filesystem.forget?.(
        input[id] + input[id + 1] * 4294967296,
        input[count] + input[count + 1] * 4294967296,
      )
    } catch (error) {
      this.#unheard('forget', error)
    }
  }

  /** A failure of what nobody waits for. */
  #unheard(what: string, error: unknown): void {
    this.#log('error', `${what} failed: ${describe(error)}`)
  }

  #sent(onSent: () => void): void {
    try {
      onSent()
    } catch (error) {
      this.#unheard('onSent', error)
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
        // With idmapped mounts, most requests do not say who asks.
        this.#access ? { ...this.#features, cacheSymlinks: false, idmap: false } : this.#features,
      )
    } catch (error) {
      this.#started?.reject(error)
      return message.fail(errno.EPROTO)
    }
    this.agreed = agreed
    this.#extendedSetxattr = (agreed.flags & p.InitFlag.SETXATTR_EXT) !== 0
    this.#messages.extendedSetxattr = this.#extendedSetxattr
    p.encodeInit(message, agreed)
    this.#sendNow(message)
    try {
      this.#filesystem.init?.(this.#host())
      this.#started?.resolve()
    } catch (error) {
      this.#started?.reject(error)
    }
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
        return this.#ranges.interrupt(message)
      }
    // Not here: it was answered in the meantime.
  }

  #failure(message: p.Message, error: unknown): void {
    message.fail(this.#errnoOf(message, error))
  }

  #errnoOf(message: p.Message, error: unknown): number {
    // The kernel takes 1 to 511.
    if (error instanceof FilesystemError && error.errno > 0 && error.errno < 512) return error.errno
    const { name, code, syscall, errno: number } = (error ?? {}) as Partial<NodeJS.ErrnoException>
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
    this.#log('error', `${operation} of node ${message.input[4]} failed: ${describe(error)}`)
    return errno.EIO
  }

  /** The handler of a detached message is done. */
  #finish(message: p.Message): void {
    if (this.#access) guardReply(message)
    if (message.rangeFd < 0 || !this.#ranges.read(message)) this.#end(message)
  }

  #end(message: p.Message, answered = false): void {
    if (!answered) this.#answer(message)
    const { onSent } = message
    this.#messages.release(message)
    if (onSent) this.#sent(onSent)
    this.#engine.resume()
    if (this.#messages.inFlight.size === 0) this.#idle?.()
  }

  #answer(message: p.Message): void {
    if (!this.#ended && message.replyLength > 0) this.#engine.send(message)
  }

  /** Answers within the turn, where the engine's own reply would come too late or carries too little. */
  #sendNow(message: p.Message): void {
    this.#engine.send(message)
    message.replyLength = 0
    message.gathered = undefined
    const { onSent } = message
    message.onSent = undefined
    if (onSent) this.#sent(onSent)
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
    this.#started?.reject(
      new FuseError('FUSE_CLOSED', 'the connection ended before the kernel had asked for anything'),
    )
    void this.#closeDown()
  }

  /** What is open must stay open while handlers and notifications use it: their number would be given to another file. */
  async #closeDown(): Promise<void> {
    await this.#handlersDone()
    try {
      await this.#filesystem.destroy?.()
    } catch (error) {
      this.#unheard('destroy', error)
    }
    await this.#notifier.flush()
    this.#close()
  }

  #handlersDone(): Promise<void> {
    const { inFlight } = this.#messages
    if (inFlight.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#log('warn', `${inFlight.size} requests are still being handled: the session ends without them`)
        resolve()
      }, GRACE_MS)
      this.#idle = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
