import { bytesOf, errno, hotMemory, native, type Watch } from '../native.js'
import { type Message, RangeRead } from '../protocol/index.js'
import type { Engine, EngineOwner } from './engine.js'
import { Lingering } from './lingering.js'
import type { Statistics } from './statistics.js'

/**
 * Nanoseconds of answering requests before other work of the event loop gets its turn, which costs as much as a few requests.
 * System calls that other threads have ended do not wait for that.
 */
const TURN = 4_000_000

/** Buffers of one writev(2), which takes 1024 with the reply's header (UIO_MAXIOV). */
const GATHERED_MAX = 1023

// Fields of the control block, as in native/device.c.
const FD = 0
const REQUEST = 1
const REPLY = 2
const REPLY_LENGTH = 3
const NEXT = 4
const CAPACITY = 5
const STATISTICS = 6
const RESULT = 7
const RANGE_FD = 8
const RANGE_OFFSET = 9
const RANGE_LENGTH = 10
const RANGE_NOWAIT = 11
const LINGER = 12
const ATTR = 13
const ATTR_FD = 14
const TURN_LENGTH = 15
const TURN_BEGAN = 16
const CLOSING = 17
const REPLY_AT = 18
const FIELDS = 19
/** RESULT where a range cannot be read without sleeping. */
const RANGE_LATER = -4096

/** /dev/fuse by poll, read and write on the event loop: every request is answered in the turn it was read. */
export class ClassicEngine implements Engine {
  readonly name = 'classic'
  readonly #fd: number
  readonly #owner: EngineOwner
  readonly #statistics: Statistics
  readonly #log: (message: string) => void
  readonly #lingering: Lingering | undefined
  readonly #control: Float64Array
  readonly #exchange: () => void
  readonly #lateControl: Float64Array
  readonly #lateExchange: () => void
  #watch: Watch | undefined
  #next: Message | undefined
  #stopped = false
  #paused = false

  /** @param fd /dev/fuse, non-blocking */
  constructor(
    fd: number,
    owner: EngineOwner,
    statistics: Statistics,
    linger: boolean,
    log: (message: string) => void,
  ) {
    this.#fd = fd
    this.#owner = owner
    this.#statistics = statistics
    this.#log = log
    this.#lingering = linger ? new Lingering() : undefined
    this.#control = this.#newControl()
    this.#exchange = native.exchanger(bytesOf(this.#control))
    this.#lateControl = this.#newControl()
    this.#lateExchange = native.exchanger(bytesOf(this.#lateControl))
  }

  #newControl(): Float64Array {
    const control = new Float64Array(...hotMemory(FIELDS * 8), FIELDS)
    control[FD] = this.#fd
    control[STATISTICS] = this.#statistics.address
    control[ATTR_FD] = -1
    control[TURN_LENGTH] = TURN
    control[CLOSING] = native.closing
    return control
  }

  start(): void {
    const watch = native.watch(this.#fd, () => this.#turn())
    if (typeof watch === 'number') throw new Error(`cannot watch /dev/fuse: errno ${-watch}`)
    this.#watch = watch
  }

  #turn(): void {
    // While paused, only the end of the connection is reported.
    if (this.#paused) return this.#end(errno.ENODEV)
    const owner = this.#owner
    const control = this.#control
    const exchange = this.#exchange
    let next = this.#next ?? owner.take()
    this.#next = undefined
    if (!next) return this.#pause()
    let answered = next
    this.#load(next)
    control[REPLY_LENGTH] = 0
    control[RANGE_LENGTH] = 0
    control[TURN_BEGAN] = 0
    for (let requests = 0; ; requests++) {
      if (this.#stopped) control[CAPACITY] = 0
      exchange()
      const length = control[RESULT]
      if (length <= 0) {
        if (length === RANGE_LATER) {
          owner.readLater(answered)
          control[REPLY_LENGTH] = 0
          control[RANGE_LENGTH] = 0
          const free = owner.take()
          if (!free) return this.#pause()
          next = free
          this.#load(next)
          continue
        }
        this.#next = next
        if (length < 0 && length !== -errno.EAGAIN) this.#end(-length)
        else if (this.#lingering) control[LINGER] = this.#lingering.after(requests)
        this.#checkWrites()
        return
      }
      owner.handle(next, length)
      if (next.detached) {
        control[REPLY_LENGTH] = 0
        control[RANGE_LENGTH] = 0
        const free = owner.take()
        if (!free) return this.#pause()
        next = free
        this.#load(next)
      } else {
        answered = next
        if (next.rangeFd >= 0) {
          control[RANGE_FD] = next.rangeFd
          control[RANGE_OFFSET] = next.rangeOffset
          control[RANGE_LENGTH] = next.rangeLength
          control[RANGE_NOWAIT] = next.rangeRead === RangeRead.PROBE ? 1 : 0
          next.inPayload = true
        } else control[RANGE_LENGTH] = 0
        control[REPLY_AT] = next.replyAt
        control[REPLY_LENGTH] = next.replyLength
        control[ATTR] = next.attributesAt
        control[ATTR_FD] = next.attributesFd
      }
    }
  }

  /** The next request is read to this message, and answered from it unless it is detached: mostly the same for long. */
  #load(message: Message): void {
    const control = this.#control
    control[NEXT] = control[REQUEST] = message.inputAddress
    control[REPLY] = message.outputAddress
    control[CAPACITY] = message.capacity
  }

  send(message: Message): void {
    let result = 0
    const { gathered } = message
    if (gathered)
      result = native.replyGathered(
        this.#fd,
        message.inputAddress,
        message.replyAddress,
        message.replyLength,
        gathered.length > GATHERED_MAX ? [Buffer.concat(gathered)] : gathered,
        this.#statistics.address,
      )
    else {
      // Not the turn's own control block: this may be called in the middle of a turn.
      const control = this.#lateControl
      control[REQUEST] = message.inputAddress
      control[REPLY] = message.outputAddress
      control[REPLY_AT] = message.replyAt
      control[REPLY_LENGTH] = message.replyLength
      control[ATTR] = message.attributesAt
      control[ATTR_FD] = message.attributesFd
      this.#lateExchange()
    }
    if (result < 0) this.#refused(message.opcode, result)
    this.#checkWrites()
  }

  #checkWrites(): void {
    const failure = this.#statistics.takeWriteFailure()
    if (failure !== 0) this.#refused(0, failure)
  }

  #refused(opcode: number, result: number): void {
    if (result === -errno.ENODEV || result === -errno.EPERM || result === -errno.ECONNABORTED) return
    this.#log(`the kernel refused a reply${opcode ? ` to operation ${opcode}` : ''}: errno ${-result}`)
  }

  #pause(): void {
    this.#paused = true
    native.closeNow()
    if (this.#watch) native.watchPause(this.#watch)
  }

  resume(): void {
    if (!this.#paused || this.#stopped) return
    this.#paused = false
    if (this.#watch) native.watchResume(this.#watch)
  }

  stop(): void {
    this.#stopped = true
    if (this.#watch) native.watchClose(this.#watch)
    this.#watch = undefined
  }

  #end(code: number): void {
    this.stop()
    this.#owner.ended(code)
  }
}
