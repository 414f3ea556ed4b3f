// The least file system there is: an empty root. Serves a /dev/fuse descriptor on the event loop.
import { constants, errno, native, sys } from '../native.js'
import { AttrReply, decodeInit, encodeInit, InitFlag, Message, Opcode } from '../protocol/index.js'

export interface ServerOptions {
  /** S_IFDIR by default. */
  rootType?: number
  /** Seconds that the kernel may keep attributes. */
  attrTimeout?: number
  /** Answers GETATTR with this errno. */
  getattrError?: number
  /** Leaves requests of this kind unanswered. */
  ignore?: number
}

export interface Server {
  /** Resolves when INIT has been answered. */
  readonly ready: Promise<void>
  /** Resolves to the errno with which reading ended, such as ENODEV. */
  readonly ended: Promise<number>
  /** Opcodes read so far. */
  readonly seen: Set<number>
  /** Resolves when a request of the kind that is ignored has been read. */
  readonly ignored: Promise<void>
  /** Stops answering. The descriptor stays open. */
  stop(): void
}

const silent: number[] = [Opcode.FORGET, Opcode.BATCH_FORGET, Opcode.INTERRUPT]

export function serve(fd: number, options: ServerOptions = {}): Server {
  const message = new Message(65536)
  const seen = new Set<number>()
  let initialized = () => {}
  let finish = (_: number) => {}
  const ready = new Promise<void>((resolve) => {
    initialized = resolve
  })
  let ignoring = () => {}
  const ignored = new Promise<void>((resolve) => {
    ignoring = resolve
  })
  const ended = new Promise<number>((resolve) => {
    finish = resolve
  })
  const watch = native.watch(fd, () => {
    for (;;) {
      const length = native.syscall(sys.read, fd, message.inputAddress, message.capacity)
      if (length === -errno.EAGAIN) return
      if (length === -errno.ENOENT || length === -errno.EINTR) continue
      if (length < 0) {
        stop()
        finish(-length)
        return
      }
      message.begin(length)
      seen.add(message.opcode)
      if (message.opcode === options.ignore) ignoring()
      if (message.opcode === options.ignore || silent.includes(message.opcode)) continue
      answer(message, options)
      message.output[0] = message.replyLength
      native.syscall(sys.write, fd, message.outputAddress, message.replyLength)
      if (message.opcode === Opcode.INIT) initialized()
    }
  })
  if (typeof watch === 'number') throw new Error(`cannot watch descriptor ${fd}: errno ${-watch}`)
  let open = true
  const stop = () => {
    if (open) native.watchClose(watch)
    open = false
  }
  return { ready, ended, seen, ignored, stop }
}

function answer(message: Message, options: ServerOptions): void {
  if (message.opcode === Opcode.INIT) {
    const { minor, maxReadahead } = decodeInit(message)
    const flags = InitFlag.MAX_PAGES | InitFlag.ABORT_ERROR
    const limits = { maxBackground: 16, congestionThreshold: 12, maxWrite: 4096, maxPages: 16 }
    const rest = { flags2: 0, timeGranularity: 1, maxStackDepth: 0, requestTimeout: 0 }
    encodeInit(message, { minor, maxReadahead, flags, ...limits, ...rest })
  } else if (message.opcode === Opcode.GETATTR && !options.getattrError) {
    const reply = new AttrReply(message)
    message.output.fill(0, 4, 30)
    reply.attr.set({ ino: 1, mode: (options.rootType ?? constants.S_IFDIR) | 0o755 })
    reply.attrTimeout = options.attrTimeout ?? 0
    message.replyLength = 120
  } else if (message.opcode === Opcode.GETATTR) message.fail(options.getattrError as number)
  else message.fail(message.opcode === Opcode.LOOKUP ? errno.ENOENT : errno.ENOSYS)
}
