// A mount served by a child process, as the test sees it.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Question, ServerStart, ServerState } from './server-main.js'
import { until } from './until.js'

export const serverProgram = fileURLToPath(new URL('./server-main.js', import.meta.url))

export type Spawn = (command: string, args: string[]) => ChildProcess
const spawnHere: Spawn = (command, args) =>
  spawn(command, args, { cwd: '/', stdio: ['pipe', 'pipe', 'inherit'] })

export class MountedServer {
  readonly source: string
  readonly mountpoint: string
  readonly process: ChildProcess
  /** Its number in its own PID namespace. */
  pid = 0
  connection = -1
  readonly #lines: AsyncIterator<string>
  readonly #gone: Promise<unknown>

  private constructor(start: ServerStart, child: ChildProcess) {
    this.source = start.source
    this.mountpoint = start.mountpoint
    this.process = child
    this.#gone = once(child, 'close')
    this.#lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  }

  /** Resolves when the mount answers; rejects with what the server says. */
  static async start(start: ServerStart, spawned: Spawn = spawnHere): Promise<MountedServer> {
    const server = new MountedServer(start, spawned(process.execPath, [serverProgram, JSON.stringify(start)]))
    const { pid, connection } = await server.#next<{ pid: number; connection: number }>()
    server.pid = pid
    server.connection = connection
    return server
  }

  path(...names: string[]): string {
    return [this.mountpoint, ...names].join('/')
  }

  state(): Promise<ServerState> {
    return this.#ask<ServerState>({ ask: 'state' })
  }

  /** The state when it is as wanted; what is still on its way (FORGET, RELEASE) is waited for. */
  async settled(wanted: (state: ServerState) => boolean, milliseconds?: number): Promise<ServerState> {
    let state!: ServerState
    await until(async () => {
      state = await this.state()
      return wanted(state)
    }, milliseconds)
    return state
  }

  async unmount(mode: 'clean' | 'lazy' | 'force' = 'clean'): Promise<void> {
    await this.#ask({ ask: 'unmount', mode })
  }

  /** Ends the process at once. */
  async kill(): Promise<void> {
    this.process.kill('SIGKILL')
    await this.#gone
  }

  async #ask<T>(question: Question): Promise<T> {
    this.process.stdin!.write(`${JSON.stringify(question)}\n`)
    return this.#next<T>()
  }

  async #next<T>(): Promise<T> {
    const { value, done } = await this.#lines.next()
    if (done) throw new Error('the server has ended')
    const answer = JSON.parse(value)
    if (answer.error !== undefined) throw new Error(answer.error)
    return answer
  }
}
