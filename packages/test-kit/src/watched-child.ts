/** A child process that is asked one thing at a time and is ended when it takes too long. */
import { type ChildProcess, fork } from 'node:child_process'

export class Hang extends Error {}

export class WatchedChild {
  #child: ChildProcess

  constructor(script: string) {
    this.#child = fork(script, [], {
      serialization: 'advanced',
      execArgv: [],
      stdio: ['ignore', 2, 2, 'ipc'],
    })
  }

  /** The answer; throws what the child threw, or Hang when the child ended or was ended. */
  async ask(message: object, seconds: number): Promise<unknown> {
    const child = this.#child
    type Answer = { result?: unknown; error?: string; hung?: string }
    let onMessage!: (answer: Answer) => void
    let onExit!: (code: number | null, signal: string | null) => void
    let timer!: NodeJS.Timeout
    const answer = await new Promise<Answer>((resolve) => {
      onMessage = resolve
      onExit = (code, signal) => resolve({ hung: `the process ended (${signal ?? code})` })
      timer = setTimeout(() => resolve({ hung: `no end within ${seconds} s` }), seconds * 1000)
      if (child.exitCode !== null || child.signalCode !== null) onExit(child.exitCode, child.signalCode)
      child.once('message', onMessage)
      child.once('exit', onExit)
      child.send(message, (error) => error && resolve({ hung: error.message }))
    })
    clearTimeout(timer)
    child.off('message', onMessage)
    child.off('exit', onExit)
    if (answer.hung !== undefined) {
      await this.kill()
      throw new Hang(answer.hung)
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
  async kill(): Promise<void> {
    const child = this.#child
    if (child.exitCode !== null || child.signalCode !== null) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, 3000)
      child.once('exit', () => {
        clearTimeout(timer)
        resolve()
      })
      child.kill('SIGKILL')
    })
    child.unref()
    if (child.connected) child.disconnect()
  }
}

/** The other end: answers each message with what `answer` returns or throws, and ends with its parent. */
export function answerParent<T>(answer: (message: T) => unknown): void {
  process.on('disconnect', () => process.exit(0))
  process.on('message', async (message: T) => {
    try {
      process.send?.({ result: await answer(message) })
    } catch (error) {
      process.send?.({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
    }
  })
}
