// What the end-to-end tests share: the real program on folders of their own, and an end that leaves nothing behind.
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { readRegistry } from '../daemon/registry.js'
import { isolate } from '../test-support/workspace.js'

export const program = fileURLToPath(new URL('../../bin/hawser.js', import.meta.url))
// Long enough for a loaded machine; nothing is asserted about time.
const PATIENCE_MILLISECONDS = 300_000

export interface Finished {
  code: number | null
  stdout: string
  stderr: string
}

export class Fixture {
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), 'hawser-e2e-')))
  readonly source = join(this.folder, 'source')
  readonly mountpoint = join(this.folder, 'mnt')
  readonly runtimeDirectory = join(this.folder, 'run')
  /** Of the machine's settings, nothing counts here. */
  readonly environment: NodeJS.ProcessEnv
  readonly #children: ChildProcess[] = []

  constructor() {
    // As root. Otherwise who makes a mount namespace meanwhile, as other tests do, keeps a copy of our mounts.
    isolate()
    mkdirSync(this.source)
    mkdirSync(this.mountpoint)
    writeFileSync(join(this.source, 'hello'), 'hello, world\n')
    const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('HAWSER_'))
    this.environment = {
      ...Object.fromEntries(kept),
      HAWSER_RUNTIME_DIR: this.runtimeDirectory,
      XDG_CONFIG_HOME: join(this.folder, 'config'),
    }
  }

  path(...names: string[]): string {
    return join(this.mountpoint, ...names)
  }

  /** Runs the program to its end. */
  hawser(...words: string[]): Promise<Finished> {
    return this.run(process.execPath, [program, ...words])
  }

  run(command: string, words: readonly string[]): Promise<Finished> {
    return new Promise((resolve) => {
      const options = {
        env: this.environment,
        timeout: PATIENCE_MILLISECONDS,
        killSignal: 'SIGKILL',
      } as const
      const child = execFile(command, words, options, (_, stdout, stderr) => {
        resolve({ code: child.exitCode, stdout, stderr })
      })
    })
  }

  /** A child that is killed at the end of the test, if not before. `fds` become its descriptors 3, 4, … */
  start(command: string, words: readonly string[], cwd = '/', fds: readonly number[] = []): ChildProcess {
    const child = spawn(command, words, {
      env: this.environment,
      cwd,
      stdio: ['ignore', 'pipe', 'pipe', ...fds],
    })
    this.#children.push(child)
    return child
  }

  async mount(...words: string[]): Promise<void> {
    const { code, stderr } = await this.hawser('mount', this.source, this.mountpoint, ...words)
    if (code !== 0) throw new Error(`hawser mount exited with ${code}: ${stderr}`)
  }

  /** What `hawser status` says when all mounts answer it: where a machine is slow, it does not wait long enough. */
  // biome-ignore lint/suspicious/noExplicitAny: what the program prints is what the tests are about.
  async status(): Promise<any[]> {
    // biome-ignore lint/suspicious/noExplicitAny: as above.
    let mounts: any[] = []
    await until(async () => {
      const { code, stdout, stderr } = await this.hawser('status', '--json')
      if (code !== 0) throw new Error(stderr)
      mounts = JSON.parse(stdout).mounts
      return mounts.every(({ state }) => state !== 'unresponsive')
    }, 'every mount answers')
    return mounts
  }

  /** The mount table's lines of our mount point. */
  mounted(table = '/proc/self/mountinfo'): string[] {
    return readFileSync(table, 'utf8')
      .split('\n')
      .filter((line) => line.split(' ')[4] === this.mountpoint)
  }

  /** Servers may end, and their entries go, at any moment. */
  #pids(): number[] {
    return readRegistry(this.runtimeDirectory, process.geteuid!()).map(({ pid }) => pid)
  }

  /** Ends every process and every mount of the test, whatever state it left them in. */
  async end(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL')
    for (const pid of this.#pids()) {
      try {
        if (isServer(pid)) process.kill(pid, 'SIGKILL')
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
      }
    }
    while (this.mounted().length > 0) {
      const { status, stderr } = spawnSync('umount', ['-l', this.mountpoint], { encoding: 'utf8' })
      if (status !== 0) throw new Error(stderr)
    }
    await until(() => this.#pids().every((pid) => !isServer(pid)), 'processes end')
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Whether a process is there, no zombie, and one of ours: numbers are used again. */
export function isServer(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('hawser')
  } catch {
    return false
  }
}

export async function until(done: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + PATIENCE_MILLISECONDS
  while (!(await done())) {
    if (performance.now() > end) throw new Error(`waited in vain: ${what}`)
    await sleep(20)
  }
}

/** The exit code; null: a signal ended it. */
export function exitOf(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode)
  return new Promise((resolve) => child.once('exit', (code) => resolve(code)))
}
