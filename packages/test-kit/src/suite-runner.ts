/** Owns the worker process of a run: starts it, gives it cases, and replaces it when one hangs. */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { WorkerReady, WorkerStart } from './conformance-worker.js'

const script = fileURLToPath(new URL('./conformance-worker.js', import.meta.url))
/** After so many cases that had to be ended from outside, the target is taken for dead. */
const hangLimit = 3

export class TargetHangs extends Error {}

export class SuiteRunner {
  #start: WorkerStart
  #child: ChildProcess | undefined
  #ready: WorkerReady | undefined
  #hangs = 0

  constructor(start: WorkerStart) {
    this.#start = start
  }

  get hopeless(): boolean {
    return this.#hangs >= hangLimit
  }

  async ready(): Promise<WorkerReady> {
    if (!this.#child || !this.#ready) {
      this.#child = fork(script, [], {
        serialization: 'advanced',
        execArgv: [],
        stdio: ['ignore', 2, 2, 'ipc'],
      })
      this.#ready = (await this.#ask({ start: this.#start }, 60)) as WorkerReady
    }
    return this.#ready
  }

  /** Runs one case; throws what it threw, or TargetHangs. */
  async run(name: string, seconds: number): Promise<void> {
    await this.ready()
    await this.#ask({ run: name }, seconds)
  }

  async finish(): Promise<void> {
    if (!this.hopeless) {
      try {
        await this.ready()
        await this.#ask({ finish: true }, 60)
      } catch {
        // What could not be removed stays; the verdict does not depend on it.
      }
    }
    await this.#kill()
  }

  async #ask(message: object, seconds: number): Promise<unknown> {
    const child = this.#child!
    const { promise, resolve } = deferred<{ result?: unknown; error?: string; hung?: string }>()
    const onMessage = (answer: { result?: unknown; error?: string }) => resolve(answer)
    const onExit = (code: number | null, signal: string | null) =>
      resolve({ hung: `the process ended (${signal ?? code})` })
    const timer = setTimeout(() => resolve({ hung: `no end within ${seconds} s` }), seconds * 1000)
    child.once('message', onMessage)
    child.once('exit', onExit)
    child.send(message)
    const answer = await promise
    clearTimeout(timer)
    child.off('message', onMessage)
    child.off('exit', onExit)
    if (answer.hung !== undefined) {
      this.#hangs++
      await this.#kill()
      throw new TargetHangs(answer.hung)
    }
    if (answer.error !== undefined) {
      const error = new Error(answer.error)
      error.stack = answer.error
      throw error
    }
    return answer.result
  }

  // A process inside a request that the server never answers cannot be killed before the connection is aborted: it is left
  // behind rather than waited for, and goes when the connection does.
  async #kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    this.#ready = undefined
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    await new Promise<void>((resolve) => {
      child.once('exit', () => resolve())
      setTimeout(resolve, 3000).unref()
      child.kill('SIGKILL')
    })
    child.unref()
    if (child.connected) child.disconnect()
  }
}

function deferred<T>(): { promise: Promise<T>; resolve(value: T): void } {
  let resolve!: (value: T) => void
  const promise = new Promise<T>((fulfil) => {
    resolve = fulfil
  })
  return { promise, resolve }
}
