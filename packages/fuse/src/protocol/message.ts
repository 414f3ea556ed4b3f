import { type Address, native } from '../native.js'
import { IN_HEADER_SIZE, MIN_READ_BUFFER, OUT_HEADER_SIZE, PAGE_SIZE, WRITE_IN_SIZE } from './constants.js'

/** WRITE's header and arguments end where a page begins, so that its data is aligned for O_DIRECT. */
const WRITE_HEAD = IN_HEADER_SIZE + WRITE_IN_SIZE
/** An extended attribute may be longer than a READ or WRITE (limits.h). */
const XATTR_SIZE_MAX = 65536
/** Room before the request for the time it was read (native/device.c). */
const BEFORE = 16

/** Byte of a reply's memory where payloads begin: the second page. The first holds headers and short replies. */
export const PAYLOAD = PAGE_SIZE
/** Word of the header that precedes a payload. */
const PAYLOAD_HEADER = (PAYLOAD - OUT_HEADER_SIZE) / 4

/**
 * The memory of one request and its reply: views on a buffer that the kernel fills and one that it is answered from.
 * Both payloads are page-aligned. Word indices of `input` count from the request's header, of `output` from the reply's.
 * A short reply lies within one page, since the kernel looks up each page that it copies from.
 */
export class Message {
  readonly input: Uint32Array
  readonly inputBytes: Buffer
  readonly inputAddress: Address
  /** Bytes that read(2) may fill. */
  readonly capacity: number
  readonly output: Uint32Array
  readonly outputBytes: Buffer
  readonly outputAddress: Address
  /** Bytes of the request. */
  length = 0
  /** Bytes of the reply with its header; 0: no reply is owed. */
  replyLength = 0
  /** The reply is its header and what lies from PAYLOAD on. */
  inPayload = false
  /** Buffers to send after the reply's first `replyLength` bytes. */
  gathered: Uint8Array[] | undefined
  /** Called when the reply has been written. */
  onSent: (() => void) | undefined
  /** A range of a descriptor to send as the payload; no descriptor: -1. */
  rangeFd = -1
  rangeOffset = 0
  rangeLength = 0
  /** RangeRead of `ReadReply.descriptor`. */
  rangeRead = 0
  /** Where in the reply's memory a struct fuse_attr is to be filled in from a descriptor as it is sent; no descriptor: -1. */
  attributesFd = -1
  attributesAt = 0
  /** The views that the session made on this message. */
  views: unknown
  controller: AbortController | undefined
  interrupted = false
  /** Handed to an asynchronous handler: it owns this message until it is answered. */
  detached = false
  /** Bytes this message counts for in the session's memory limit while it is detached. */
  reserved = 0
  /** Bytes of its memory that were ever written, about. */
  used = 2 * PAGE_SIZE

  /** @param maxPayload bytes, the larger of max_write and the longest READ */
  constructor(maxPayload: number) {
    const payload = Math.max(maxPayload, XATTR_SIZE_MAX)
    this.capacity = WRITE_HEAD + Math.max(payload, MIN_READ_BUFFER) + PAGE_SIZE
    const input = alignedBefore(WRITE_HEAD + BEFORE, this.capacity - WRITE_HEAD)
    const start = input.byteOffset + BEFORE
    this.input = new Uint32Array(input.buffer, start, this.capacity >> 2)
    this.inputBytes = Buffer.from(input.buffer as ArrayBuffer, start, this.capacity)
    this.inputAddress = native.address(this.inputBytes)
    const output = alignedBefore(PAYLOAD, payload + PAGE_SIZE)
    this.output = new Uint32Array(output.buffer, output.byteOffset, output.length >> 2)
    this.outputBytes = Buffer.from(output.buffer as ArrayBuffer, output.byteOffset, output.length)
    this.outputAddress = native.address(this.outputBytes)
  }

  get opcode(): number {
    return this.input[1]
  }

  /** Bytes from the reply's memory to where the header of the reply to be sent belongs. */
  get replyAt(): number {
    return this.inPayload ? PAYLOAD - OUT_HEADER_SIZE : 0
  }

  /** Where the reply to be sent begins, with its header. */
  get replyAddress(): Address {
    if (!this.inPayload) return this.outputAddress
    const { output } = this
    output[PAYLOAD_HEADER + 1] = output[1]
    output[PAYLOAD_HEADER + 2] = output[2]
    output[PAYLOAD_HEADER + 3] = output[3]
    return this.outputAddress + PAYLOAD - OUT_HEADER_SIZE
  }

  /** The reply's bytes as they would be sent, without gathered buffers. */
  get replyBytes(): Buffer {
    const start = this.replyAddress - this.outputAddress
    return this.outputBytes.subarray(start, start + this.replyLength)
  }

  /** Starts the reply to the request that was just read. */
  begin(length: number): void {
    this.length = length
    this.replyLength = OUT_HEADER_SIZE
    this.inPayload = false
    this.output[1] = 0
    this.output[2] = this.input[2]
    this.output[3] = this.input[3]
    this.interrupted = false
    // A handler that threw may have left something of its own.
    this.rangeFd = -1
    this.attributesFd = -1
    this.gathered = undefined
    this.onSent = undefined
    this.controller = undefined
  }

  /** Makes the reply an error; `value` is a positive errno below 512 (what the kernel accepts). */
  fail(value: number): void {
    this.output[1] = -value >>> 0
    this.replyLength = OUT_HEADER_SIZE
    this.inPayload = false
    this.gathered = undefined
    this.rangeFd = -1
    this.attributesFd = -1
  }

  get failed(): boolean {
    return this.output[1] !== 0
  }
}

/** A view whose byte `before` lies on a page boundary, with `after` bytes from there on. */
function alignedBefore(before: number, after: number): Uint8Array {
  const buffer = new ArrayBuffer(before + after + 2 * PAGE_SIZE)
  const base = native.address(new Uint8Array(buffer))
  const boundary = Math.ceil((base + before) / PAGE_SIZE) * PAGE_SIZE
  return new Uint8Array(buffer, boundary - before - base, before + after)
}
