import type { Message } from '../protocol/index.js'

/** How requests come from the kernel and answers go back. The session decides, an engine moves bytes. */
export interface Engine {
  readonly name: 'classic' | 'io_uring'
  /** Begins to take requests and hand them to the session. */
  start(): void
  /** Sends the answer of a detached message. Returns 0 or a negated errno. */
  send(message: Message): void
  /** Takes requests again after `Owner.take` had no message to give. */
  resume(): void
  /** Takes no more requests. Answers may still be sent. */
  stop(): void
}

/** What an engine needs of its session. */
export interface EngineOwner {
  /** A free message to read the next request into, or undefined: wait for `resume`. */
  take(): Message | undefined
  /**
   * Handles the request that was read. Afterwards `message.detached` tells that the session keeps the message and answers
   * by `send`; else `message.replyLength` bytes are to be sent now (0: none), followed by the range of a descriptor where
   * `message.rangeFd` is not -1, and the message may be used again.
   */
  handle(message: Message, length: number): void
  /** The range of `message` cannot be read without sleeping: the session keeps the message and answers by `send`. */
  readLater(message: Message): void
  /** The connection has ended, with the errno that read(2) gave. */
  ended(errno: number): void
}
