import { connect, type Socket } from 'node:net'
import type { ControlReplies, ControlReply, ControlRequest } from './protocol.js'

/** What a process that serves a mount did not do or could not be asked to do. */
export class ControlError extends Error {
  override readonly name = 'ControlError'
  /** DEAD: nobody listens; UNRESPONSIVE: no reply in time; otherwise the process's own code. */
  readonly code: string
  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

/** One conversation with the process behind a control socket. */
export class ControlClient {
  readonly #socket: Socket
  #pending = ''
  #waiting: ((line: string | undefined) => void)[] = []
  /** Settles when the other side has closed. */
  readonly closed: Promise<void>

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setEncoding('utf8')
    socket.on('data', (text: string) => {
      const lines = (this.#pending + text).split('\n')
      this.#pending = lines.pop() ?? ''
      for (const line of lines) this.#waiting.shift()?.(line)
    })
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()))
    void this.closed.then(() => {
      for (const waiter of this.#waiting.splice(0)) waiter(undefined)
    })
  }

  static open(path: string): Promise<ControlClient> {
    return new Promise((resolve, reject) => {
      const socket = connect(path)
      socket.once('connect', () => {
        socket.on('error', () => socket.destroy())
        resolve(new ControlClient(socket))
      })
      socket.once('error', (error: NodeJS.ErrnoException) => {
        const dead = error.code === 'ECONNREFUSED' || error.code === 'ENOENT'
        reject(new ControlError(dead ? 'DEAD' : 'UNREACHABLE', `${path}: ${error.message}`))
      })
    })
  }

  async ask<Verb extends keyof ControlReplies>(
    request: Extract<ControlRequest, { verb: Verb }>,
    milliseconds: number,
  ): Promise<ControlReplies[Verb]> {
    let timer: NodeJS.Timeout | undefined
    const line = await new Promise<string | undefined>((resolve, reject) => {
      this.#waiting.push(resolve)
      const late = () => reject(new ControlError('UNRESPONSIVE', `no reply within ${milliseconds / 1000} s`))
      timer = setTimeout(late, milliseconds)
      this.#socket.write(`${JSON.stringify(request)}\n`)
    }).finally(() => clearTimeout(timer))
    if (line === undefined) throw new ControlError('DEAD', 'the process ended without a reply')
    const reply = JSON.parse(line) as ControlReply<ControlReplies[Verb]>
    if (!reply.ok) throw new ControlError(reply.error.code, reply.error.message)
    return reply.result
  }

  close(): void {
    this.#socket.destroy()
  }
}
