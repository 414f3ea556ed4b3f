import { closeSync, openSync, write, writeSync } from 'node:fs'

export const logLevels = ['error', 'warn', 'info', 'debug'] as const
export type LogLevel = (typeof logLevels)[number]
export const logFormats = ['text', 'json'] as const
export type LogFormat = (typeof logFormats)[number]

export interface LogOptions {
  level: LogLevel
  format: LogFormat
  /** Appended to; undefined: stderr. */
  file?: string
}

// What may wait to be written before lines are dropped: the loop that serves the mount never waits for a log.
const QUEUE_LIMIT = 1024 * 1024

/** One line an event, written behind the caller's back; order is kept. */
export class Logger {
  readonly #rank: number
  readonly #format: LogFormat
  readonly #file: string | undefined
  #fd: number
  #queue: string[] = []
  #queued = 0
  #writing: Buffer | undefined
  #dropped = 0
  readonly #idle: (() => void)[] = []

  constructor({ level, format, file }: LogOptions) {
    this.#rank = logLevels.indexOf(level)
    this.#format = format
    this.#file = file
    this.#fd = file === undefined ? 2 : openSync(file, 'a', 0o640)
  }

  readonly log = (level: LogLevel, message: string): void => {
    if (logLevels.indexOf(level) > this.#rank) return
    const line = formatLine(this.#format, level, message, new Date())
    if (this.#queued + line.length > QUEUE_LIMIT) {
      this.#dropped++
      return
    }
    this.#queue.push(line)
    this.#queued += line.length
    this.#pump()
  }

  /** An error in one line; its stack only for those who debug. */
  readonly error = (message: string, error: unknown): void => {
    this.log('error', `${message}: ${errorMessage(error)}`)
    if (error instanceof Error && error.stack !== undefined) this.log('debug', error.stack)
  }

  /** Opens the file again after logrotate has renamed it; stays with the old one where that fails. */
  reopen(): void {
    if (this.#file === undefined) return
    const old = this.#fd
    try {
      this.#fd = openSync(this.#file, 'a', 0o640)
    } catch (error) {
      return this.error('cannot open the log file again', error)
    }
    // A write that is under way knows the old number, which the next file to be opened would get.
    void this.drain().then(() => closeSync(old))
  }

  #take(): Buffer {
    if (this.#dropped > 0) {
      this.#queue.push(formatLine(this.#format, 'warn', `${this.#dropped} lines were dropped`, new Date()))
      this.#dropped = 0
    }
    const text = this.#queue.join('')
    this.#queue = []
    this.#queued = 0
    return Buffer.from(text)
  }

  #pump(): void {
    if (this.#writing !== undefined || this.#queue.length === 0) return
    const chunk = this.#take()
    this.#writing = chunk
    write(this.#fd, chunk, 0, chunk.length, null, (error, written) => {
      this.#writing = undefined
      // A log that cannot be written must not stop the mount.
      if (error === null && written < chunk.length) this.#queue.unshift(chunk.subarray(written).toString())
      this.#pump()
      if (this.#writing === undefined) for (const resolve of this.#idle.splice(0)) resolve()
    })
  }

  /** Settles when everything said so far is written. */
  drain(): Promise<void> {
    return this.#writing === undefined
      ? Promise.resolve()
      : new Promise((resolve) => this.#idle.push(resolve))
  }

  /** Writes what waits, now: for an end that cannot wait for drain(). */
  flush(): void {
    if (this.#queue.length === 0) return
    try {
      writeSync(this.#fd, this.#take())
    } catch {
      // Nowhere to say it.
    }
  }
}

function formatLine(format: LogFormat, level: LogLevel, message: string, time: Date): string {
  const text = redact(message)
  if (format === 'json') return `${JSON.stringify({ time: time.toISOString(), level, message: text })}\n`
  return `${time.toISOString()} ${level.padEnd(5)} ${text.replaceAll('\n', '\\n')}\n`
}

/**
 * Passwords in URLs never reach a log or a status line. The scheme is looked for behind each `://`, not in front of it: from
 * each letter on, a long word without one would be read to its end, in a time that grows with the square of its length.
 */
export function redact(text: string): string {
  return text.replace(/(?<=[a-z][a-z0-9+.-]*:\/\/)[^/@\s]*@/gi, '***@')
}

export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
