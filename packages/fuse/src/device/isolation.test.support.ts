// Tests of mounts happen in a mount namespace of the test process's own: what they leave behind ends with the process,
// however that ends, and the machine never sees it.
import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { checked, FuseError } from '../errors.js'
import { constants, native, sys } from '../native.js'
import type { ChildOptions } from './child.test.support.js'
import {
  abortConnection,
  connectionOf,
  type Device,
  type DeviceOptions,
  isFuse,
  openDevice,
  readMounts,
} from './index.js'
import { type Server, type ServerOptions, serve } from './server.test.support.js'
import { cString, ownThread } from './system.js'

/** Options of a test: skipped for other users than root, whose failures are errors. What hangs fails, and is cleaned up. */
export const needsRoot = {
  skip: process.geteuid?.() === 0 ? false : 'only root can make a mount namespace',
  timeout: 600_000,
}

let isolated = false

/**
 * Moves the main thread, and the threads and processes that it starts from now on, to a new mount namespace. libuv's
 * threads may be older: tests use no fs.promises.
 */
export function isolate(): void {
  if (isolated || needsRoot.skip) return
  const [CLONE_NEWNS, MS_REC, MS_PRIVATE] = [0x20000, 0x4000, 0x40000]
  checked(native.syscall(sys.unshare, CLONE_NEWNS))
  const root = cString('/')
  checked(native.syscall(sys.mount, 0, native.address(root), 0, MS_REC | MS_PRIVATE, 0))
  isolated = true
}

/** An empty directory for one test. Afterwards everything mounted below is aborted and detached, and it is removed. */
export function temporaryDirectory(t: TestContext): string {
  isolate()
  const directory = mkdtempSync(join(tmpdir(), 'hawser-device-'))
  t.after(async () => {
    for (;;) {
      const entry = readMounts().findLast(({ mountPoint }) => `${mountPoint}/`.startsWith(`${directory}/`))
      if (!entry) break
      if (isFuse(entry)) abortConnection(connectionOf(entry))
      const path = cString(entry.mountPoint)
      checked(await ownThread(path, sys.umount2, native.address(path), constants.MNT_DETACH))
    }
    rmSync(directory, { recursive: true })
  })
  return directory
}

export function mountPointIn(t: TestContext, name = 'mnt'): string {
  const path = join(temporaryDirectory(t), name)
  mkdirSync(path)
  return path
}

/** Opens a device that is closed after the test. Nothing serves it. */
export async function opened(t: TestContext, options: DeviceOptions): Promise<Device> {
  const device = await openDevice(options)
  t.after(() => device.close())
  return device
}

/** Opens, serves and attaches. */
export async function served(
  t: TestContext,
  options: DeviceOptions,
  server?: ServerOptions,
): Promise<{ device: Device; server: Server }> {
  const device = await opened(t, options)
  const running = serve(device.fd, server)
  t.after(() => running.stop())
  await running.ready
  await device.attach()
  return { device, server: running }
}

export interface Held {
  readonly fd: number
  release(): Promise<void>
}

/** Opens the root of a mount without asking its server, which keeps the mount busy. Released after the test. */
export async function hold(t: TestContext, path: string): Promise<Held> {
  const name = cString(path)
  const flags = constants.O_PATH | constants.O_CLOEXEC
  const address = native.address(name)
  const fd = checked(await ownThread(name, sys.openat, constants.AT_FDCWD, address, flags, 0))
  let held = true
  const release = async () => {
    if (held) await ownThread(undefined, sys.close, fd)
    held = false
  }
  t.after(release)
  return { fd, release }
}

/** Mounts fusectl, after the test no more, and tells how many requests of a connection wait. */
export async function watchRequests(t: TestContext): Promise<(connection: number) => number> {
  const directory = '/sys/fs/fuse/connections'
  assert.equal((await run('mount', '-t', 'fusectl', 'fusectl', directory)).status, 0)
  t.after(() => run('umount', directory))
  return (connection) => Number(readFileSync(`${directory}/${connection}/waiting`, 'latin1'))
}

/** Runs a program to its end without waiting on the event loop. */
export function run(program: string, ...args: string[]): Promise<{ status: number; output: string }> {
  return new Promise((resolve) => {
    execFile(
      program,
      args,
      { cwd: '/', timeout: 300_000, env: { PATH: process.env.PATH, LC_ALL: 'C' } },
      (error, out, err) =>
        resolve({ status: error ? Number(error.code ?? -1) : 0, output: (out + err).trim() }),
    )
  })
}

export interface Child {
  readonly process: ChildProcess
  /** The next line it says. */
  next(): Promise<{ how?: string; connection?: number; code?: string; message?: string }>
  kill(): Promise<void>
}

export interface Start {
  /** A command to run it with. */
  prefix?: string[]
  node?: string
  program?: string
  /** Become its descriptors 3, 4, … */
  fds?: number[]
}

/** Starts child.test.support.ts; it is killed after the test. */
export function startChild(t: TestContext, options: ChildOptions, start: Start = {}): Child {
  const { prefix = [], node = process.execPath, fds = [] } = start
  const program = start.program ?? fileURLToPath(new URL('./child.test.support.js', import.meta.url))
  const [command, ...args] = [...prefix, node, program, JSON.stringify(options)]
  return converse(t, spawn(command, args, { cwd: '/', stdio: ['pipe', 'pipe', 'inherit', ...fds] }))
}

export function converse(t: TestContext, child: ChildProcess): Child {
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  const kill = async () => {
    child.kill('SIGKILL')
    await gone
  }
  t.after(kill)
  return {
    process: child,
    kill,
    async next() {
      const { value, done } = await lines.next()
      if (done) throw new Error('the child has ended')
      return JSON.parse(value)
    },
  }
}

/** For assert.rejects and assert.throws: a FuseError of this code whose message is one line and matches. */
export function fuseError(code: string, message: RegExp): (error: unknown) => boolean {
  return (error) => {
    if (!(error instanceof FuseError) || error.code !== code) return false
    return message.test(error.message) && !error.message.includes('\n')
  }
}
