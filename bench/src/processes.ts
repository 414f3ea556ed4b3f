import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

export interface Outcome {
  status: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
  milliseconds: number
}

const running = new Set<ChildProcess>()

/** The full path of a program, as the shell would find it. */
export function which(name: string): string | undefined {
  if (name.includes('/')) return executable(name) ? name : undefined
  for (const folder of [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']) {
    if (folder !== '' && executable(join(folder, name))) return join(folder, name)
  }
  return undefined
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Starts a program that is killed at the latest with this process; its output is kept for error messages. */
export function start(
  argv: readonly string[],
  options: { env?: NodeJS.ProcessEnv; cwd?: string } = {},
): Running {
  const child = spawn(argv[0], argv.slice(1), {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: options.env ?? process.env,
    cwd: options.cwd,
  })
  running.add(child)
  const begin = process.hrtime.bigint()
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text
  })
  const ended = new Promise<Outcome>((resolve, reject) => {
    child.once('error', (error) => {
      running.delete(child)
      reject(error)
    })
    let milliseconds = 0
    child.once('exit', () => {
      milliseconds = Number(process.hrtime.bigint() - begin) / 1e6
      running.delete(child)
    })
    child.once('close', (status, signal) => resolve({ status, signal, ...output, milliseconds }))
  })
  // Whoever waits sees the error; a server that nobody waits for must not end the program.
  ended.catch(() => {})
  return { child, ended, output }
}

export interface Running {
  child: ChildProcess
  ended: Promise<Outcome>
  output: { stdout: string; stderr: string }
}

/** Runs a program to its end. A failure is an error that carries what the program said. */
export async function run(
  argv: readonly string[],
  options: { timeoutMs?: number; env?: NodeJS.ProcessEnv; cwd?: string } = {},
): Promise<Outcome> {
  const { child, ended } = start(argv, options)
  let late = false
  const timer = setTimeout(() => {
    late = true
    child.kill('SIGKILL')
  }, options.timeoutMs ?? 60_000)
  // A process that sleeps on a dead mount does not even die of SIGKILL: stop waiting for it.
  const stuck = new Promise<never>((_, reject) => {
    setTimeout(
      () => reject(new Error(`${argv.join(' ')}: hangs`)),
      (options.timeoutMs ?? 60_000) + 2000,
    ).unref()
  })
  const outcome = await Promise.race([ended, stuck]).finally(() => clearTimeout(timer))
  if (late) throw new Error(`${argv.join(' ')}: no end after ${options.timeoutMs ?? 60_000} ms`)
  if (outcome.status !== 0) {
    const reason = outcome.signal ?? `status ${outcome.status}`
    throw new Error(`${argv.join(' ')}: ${reason}: ${outcome.stderr.trim().slice(-2000)}`)
  }
  return outcome
}

export async function waitFor(running: Running, milliseconds: number): Promise<Outcome | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), milliseconds)
  })
  return Promise.race([running.ended, late]).finally(() => clearTimeout(timer))
}

export function killAll(): void {
  for (const child of running) child.kill('SIGKILL')
}

export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
