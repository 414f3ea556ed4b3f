import { createServer, type Server, type Socket } from 'node:net'
import { errorMessage } from '../telemetry/log.js'
import { type ControlReply, type ControlRequest, REQUEST_LIMIT } from './protocol.js'

const CONNECTION_LIMIT = 64
const IDLE_MILLISECONDS = 60_000

export type ControlHandler = (request: ControlRequest) => unknown | Promise<unknown>

/** Listens on a Unix socket that only its owner can open; settles when it does. */
export function serveControl(
  path: string,
  handler: ControlHandler,
  idleMilliseconds = IDLE_MILLISECONDS,
): Promise<Server> {
  const server = createServer((socket) => converse(socket, handler, idleMilliseconds))
  server.maxConnections = CONNECTION_LIMIT
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.once('listening', () => resolve(server))
    // The socket is bound within listen(): nobody else can connect at any moment.
    const before = process.umask(0o177)
    try {
      server.listen(path)
    } finally {
      process.umask(before)
    }
  })
}

function converse(socket: Socket, handler: ControlHandler, idleMilliseconds: number): void {
  let pending = ''
  let unanswered = 0
  let turn: Promise<void> = Promise.resolve()
  socket.setEncoding('utf8')
  // Who waits for an answer is not idle, and would take the end of the connection for that of the process.
  socket.setTimeout(idleMilliseconds)
  socket.on('timeout', () => unanswered === 0 && socket.destroy())
  socket.on('error', () => socket.destroy())
  socket.on('data', (text: string) => {
    pending += text
    const lines = pending.split('\n')
    pending = lines.pop() ?? ''
    for (const line of lines) {
      unanswered++
      turn = turn.then(async () => {
        const reply = await answer(line, handler)
        unanswered--
        if (socket.writable) socket.write(`${JSON.stringify(reply)}\n`)
      })
    }
    if (pending.length > REQUEST_LIMIT) socket.destroy()
  })
}

async function answer(line: string, handler: ControlHandler): Promise<ControlReply<unknown>> {
  try {
    return { ok: true, result: await handler(parseRequest(line)) }
  } catch (error) {
    const code = (error as { code?: unknown }).code
    return {
      ok: false,
      error: { code: typeof code === 'string' ? code : 'FAILED', message: errorMessage(error) },
    }
  }
}

function parseRequest(line: string): ControlRequest {
  let request: { verb?: unknown; mode?: unknown }
  try {
    request = JSON.parse(line)
  } catch {
    throw new Error('the request is not JSON')
  }
  const { verb, mode = 'clean' } = request ?? {}
  if (verb === 'status' || verb === 'statistics') return { verb }
  if (verb !== 'unmount') throw new Error(`unknown verb ${JSON.stringify(verb)}`)
  if (mode === 'clean' || mode === 'lazy' || mode === 'force') return { verb, mode }
  throw new Error(`unknown mode ${JSON.stringify(mode)}`)
}
