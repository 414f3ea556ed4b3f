// What a client could send that is not the kernel: requests of any bytes to a session, over a socket instead of /dev/fuse.
import {
  constants as c,
  errno,
  type Features,
  type Filesystem,
  native,
  Opcode,
  Session,
  sys,
} from '@hawser/fuse'

export interface RawReply {
  /** Positive; 0: none. */
  error: number
  /** After the header. */
  body: Buffer
}

const HEADER = 40
const REPLY_MAX = 1 << 20
const AF_UNIX = 1
const SOCK_SEQPACKET = 5

export const u32 = (...values: number[]): Buffer => {
  const buffer = Buffer.alloc(values.length * 4)
  for (const [index, value] of values.entries()) buffer.writeUInt32LE(value >>> 0, index * 4)
  return buffer
}
export const u64 = (...values: (number | bigint)[]): Buffer => {
  const buffer = Buffer.alloc(values.length * 8)
  for (const [index, value] of values.entries()) buffer.writeBigUInt64LE(BigInt(value), index * 8)
  return buffer
}
export const name = (text: string): Buffer => Buffer.from(`${text}\0`, 'latin1')

export class RawClient {
  readonly #fd: number
  readonly #serverFd: number
  readonly #session: Session
  #unique = 2
  /** Whom requests come from. */
  uid = 0

  private constructor(filesystem: Filesystem, features: Features) {
    const pair = new Int32Array(2)
    const address = native.address(new Uint8Array(pair.buffer))
    const result = native.syscall(
      sys.socketpair,
      AF_UNIX,
      SOCK_SEQPACKET | c.O_NONBLOCK | c.O_CLOEXEC,
      0,
      address,
    )
    if (result < 0) throw new Error(`no socket pair: errno ${-result}`)
    this.#fd = pair[0]
    this.#serverFd = pair[1]
    this.#session = new Session(filesystem, this.#serverFd, { features })
  }

  static async connect(filesystem: Filesystem, features: Features = {}): Promise<RawClient> {
    const client = new RawClient(filesystem, features)
    const started = client.#session.start()
    // 7.45, read ahead 128 KiB, every capability.
    const init = Buffer.concat([u32(7, 45, 131072, 0xffffffff), Buffer.alloc(48)])
    const { error } = await client.request(Opcode.INIT, 0, init)
    if (error !== 0) throw new Error(`INIT: errno ${error}`)
    await started
    return client
  }

  async request(opcode: number, node: number, ...body: Buffer[]): Promise<RawReply> {
    const data = Buffer.concat(body)
    const frame = Buffer.concat([
      u32(HEADER + data.length, opcode),
      u64(this.#unique, node),
      u32(this.uid, this.uid, process.pid, 0),
      data,
    ])
    this.#unique += 2
    const written = native.syscall(sys.write, this.#fd, native.address(frame), frame.length)
    if (written !== frame.length) throw new Error(`request of ${frame.length} bytes: ${written}`)
    const buffer = Buffer.alloc(REPLY_MAX)
    for (;;) {
      const length = native.syscall(sys.read, this.#fd, native.address(buffer), buffer.length)
      if (length >= 16) return { error: Math.abs(buffer.readInt32LE(4)), body: buffer.subarray(16, length) }
      if (length !== -errno.EAGAIN) throw new Error(`the session answers with ${length}`)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  close(): void {
    this.#session.stop()
    native.syscall(sys.close, this.#fd)
    native.syscall(sys.close, this.#serverFd)
  }
}
