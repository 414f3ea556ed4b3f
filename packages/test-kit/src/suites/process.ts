import { spawn } from 'node:child_process'

export interface ProgramResult {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
  readonly timedOut: boolean
}

export interface ProgramOptions {
  readonly env?: NodeJS.ProcessEnv
  readonly timeoutSeconds: number
}

/** Runs a program to its end and keeps all it printed; a program that exceeds its time is killed. */
export function runProgram(program: string, args: string[], options: ProgramOptions): Promise<ProgramResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
    })
    const output = { stdout: '', stderr: '' }
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output.stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output.stderr += text
    })
    let timedOut = false
    let timer = setTimeout(() => {
      timedOut = true
      child.kill('SIGKILL')
      // A process that sleeps in a dead mount cannot even be killed: report it rather than wait for ever.
      timer = setTimeout(() => {
        child.unref()
        resolve({ code: null, signal: null, ...output, timedOut })
      }, 10_000)
    }, options.timeoutSeconds * 1000)
    child.once('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      resolve({ code, signal, ...output, timedOut })
    })
  })
}
