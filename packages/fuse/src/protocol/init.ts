import { InitFlag, KERNEL_MINOR, KERNEL_VERSION, OUT_HEADER_SIZE } from './constants.js'
import type { Message } from './message.js'

/** What the kernel offers in INIT. */
export interface InitRequest {
  major: number
  minor: number
  /** Bytes. */
  maxReadahead: number
  flags: number
  flags2: number
}

/** What the server answers. */
export interface InitReply {
  minor: number
  maxReadahead: number
  flags: number
  flags2: number
  /** Requests of the kernel's own (readahead, writeback) in flight, and from how many on it counts as congested. */
  maxBackground: number
  congestionThreshold: number
  /** Bytes of one WRITE. */
  maxWrite: number
  /** Nanoseconds. */
  timeGranularity: number
  maxPages: number
  /** 1 or 2 with PASSTHROUGH. */
  maxStackDepth: number
  /** Seconds; 0: none. */
  requestTimeout: number
}

/** Decodes struct fuse_init_in, of which old kernels send 16 bytes. */
export function decodeInit(message: Message): InitRequest {
  const words = message.input
  const flags = words[13]
  return {
    major: words[10],
    minor: words[11],
    maxReadahead: words[12],
    flags,
    flags2: (flags & InitFlag.INIT_EXT) !== 0 && message.length >= 60 ? words[14] : 0,
  }
}

/** 16-bit fields share words: one that is too large must not spill into its neighbour. */
function half(value: number): number {
  return Math.min(value, 0xffff)
}

/** Encodes struct fuse_init_out. */
export function encodeInit(message: Message, reply: InitReply): void {
  const words = message.output
  words.fill(0, 4, 20)
  words[4] = KERNEL_VERSION
  words[5] = Math.min(reply.minor, KERNEL_MINOR)
  words[6] = reply.maxReadahead
  words[7] = reply.flags
  words[8] = half(reply.maxBackground) | (half(reply.congestionThreshold) << 16)
  words[9] = reply.maxWrite
  words[10] = reply.timeGranularity
  words[11] = half(reply.maxPages)
  words[12] = reply.flags2
  words[13] = reply.maxStackDepth
  words[14] = half(reply.requestTimeout)
  message.replyLength = OUT_HEADER_SIZE + 64
}
