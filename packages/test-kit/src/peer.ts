/** Another process, maybe of another user, that makes system calls on request. */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { PeerMethods } from './peer-methods.js'
import { revive } from './revive.js'

export interface User {
  uid: number
  gid: number
  /** Supplementary groups. */
  groups: number[]
}

type Remote<T> = {
  [K in keyof T]: T[K] extends (...args: infer A) => infer R ? (...args: A) => Promise<Awaited<R>> : never
}

const script = fileURLToPath(new URL('./peer-main.js', import.meta.url))
/** For what hangs, not for what is slow. */
const callTimeout = 120_000

interface Pending {
  resolve(value: unknown): void
  reject(error: Error): void
  timer: NodeJS.Timeout
}

export class Peer {
  /** The functions of posix.ts and peer-methods.ts, made in that process. */
  readonly sys: Remote<PeerMethods>
  #child: ChildProcess
  #pending = new Map<number, Pending>()
  #next = 0
  #closed = false

  constructor() {
    this.#child = fork(script, [], {
      serialization: 'advanced',
      execArgv: [],
      stdio: ['ignore', 2, 2, 'ipc'],
    })
    this.#child.on('message', (message: { id: number; result?: unknown; error?: string }) => {
      const pending = this.#pending.get(message.id)
      if (!pending) return
      this.#pending.delete(message.id)
      clearTimeout(pending.timer)
      if (message.error === undefined) pending.resolve(revive(message.result))
      else pending.reject(new Error(`in the other process: ${message.error}`))
    })
    this.#child.on('exit', () => this.#end(new Error('the other process ended')))
    this.#child.on('error', (error) => this.#end(error))
    this.sys = new Proxy({} as Remote<PeerMethods>, {
      get: (_, method) => (method === 'then' ? undefined : this.#call.bind(this, String(method))),
    })
  }

  static async start(user?: User): Promise<Peer> {
    const peer = new Peer()
    if (user) {
      const result = await peer.sys.become(user.uid, user.gid, user.groups)
      if (result < 0) {
        peer.kill()
        throw new Error(`cannot become user ${user.uid} (errno ${-result})`)
      }
    }
    // A change of identity clears the signal asked for with the parent's death.
    await peer.sys.dieWithParent()
    return peer
  }

  get pid(): number {
    return this.#child.pid!
  }

  get alive(): boolean {
    return !this.#closed
  }

  signal(name: NodeJS.Signals): void {
    process.kill(this.pid, name)
  }

  /** Ends the process, whatever it waits for, and resolves when it has ended (or after two seconds). */
  async kill(): Promise<void> {
    const child = this.#child
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise<void>((resolve) => {
      child.once('exit', () => resolve())
      setTimeout(resolve, 2000).unref()
    })
    child.kill('SIGKILL')
    await ended
    child.unref()
    if (child.connected) child.disconnect()
  }

  #call(method: string, ...args: unknown[]): Promise<unknown> {
    if (this.#closed) return Promise.reject(new Error('the other process has ended'))
    const id = this.#next++
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id)
        reject(new Error(`${method} in the other process did not return within ${callTimeout / 1000} s`))
        void this.kill()
      }, callTimeout)
      this.#pending.set(id, { resolve, reject, timer })
      this.#child.send({ id, method, args })
    })
  }

  #end(error: Error): void {
    this.#closed = true
    for (const pending of this.#pending.values()) {
      clearTimeout(pending.timer)
      pending.reject(error)
    }
    this.#pending.clear()
  }
}
