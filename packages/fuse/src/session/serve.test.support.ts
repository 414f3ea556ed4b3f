// Mounts of the test's own, and processes that use them.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync } from 'node:fs'
import { dirname } from 'node:path'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { isolate, mountPointIn } from '../device/isolation.test.support.js'
import { cString, ownThread } from '../device/system.js'
import { checked } from '../errors.js'
import type { Filesystem, Host } from '../filesystem.js'
import { type FuseMount, type FuseMountOptions, mount } from '../mount.js'
import { constants, errno, native, sys } from '../native.js'
import type * as p from '../protocol/index.js'
import { OpenFlag } from '../protocol/index.js'
import type { Tools } from './client-main.test.support.js'

export interface Client {
  readonly process: ChildProcess
  readonly pid: number
  /** Runs a function in the process; it may use its arguments and nothing else of where it is written. */
  run<T, A extends unknown[]>(call: (tools: Tools, ...args: A) => T | Promise<T>, ...args: A): Promise<T>
  /** Settles when the process has ended. */
  readonly ended: Promise<NodeJS.Signals | number | null>
}

/** Starts a process that uses mounts. It is killed after the test. */
export async function startClient(t: TestContext, user?: number): Promise<Client> {
  isolate()
  const program = fileURLToPath(new URL('./client-main.test.support.js', import.meta.url))
  const child = fork(program, [], {
    cwd: '/',
    serialization: 'advanced',
    execArgv: [],
    env: { ...process.env, UV_THREADPOOL_SIZE: '40' },
  })
  const ended = new Promise<NodeJS.Signals | number | null>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? code))
  })
  t.after(() => child.kill('SIGKILL'))
  await once(child, 'message')
  const run: Client['run'] = async (call, ...args) => {
    const [reply] = await new Promise<[{ value?: unknown; error?: NodeJS.ErrnoException }]>(
      (resolve, reject) => {
        child.once('message', (message) => resolve([message as object]))
        void ended.then((how) => reject(new Error(`the client has ended: ${how}`)))
        child.send({ source: String(call), args })
      },
    )
    if (reply.error) throw Object.assign(new Error(reply.error.stack), { code: reply.error.code })
    return reply.value as never
  }
  const client = { process: child, pid: child.pid as number, run, ended }
  if (user !== undefined)
    await run((_, uid) => {
      process.setgroups?.([])
      process.setgid?.(uid)
      process.setuid?.(uid)
    }, user)
  return client
}

export interface Served {
  readonly path: string
  readonly mounted: FuseMount
  readonly host: Host
  /** What the session logged, without debug lines. */
  readonly log: string[]
}

/** A mount point that every user can reach. */
export function openMountPoint(t: TestContext): string {
  const path = mountPointIn(t)
  chmodSync(dirname(path), 0o755)
  return path
}

/** Mounts a file system in a mount namespace of the test process's own, until the test ends. */
export async function serveFilesystem(
  t: TestContext,
  filesystem: Filesystem,
  options: FuseMountOptions = {},
): Promise<Served> {
  const path = openMountPoint(t)
  const log: string[] = []
  let host: Host | undefined
  const init = filesystem.init?.bind(filesystem)
  filesystem.init = (given) => {
    host = given
    init?.(given)
  }
  const mounted = await mount(filesystem, path, {
    log: (level, message) => level !== 'debug' && log.push(`${level}: ${message}`),
    ...options,
  })
  t.after(async () => {
    await mounted.unmount('force')
    await mounted.closed
  })
  return { path, mounted, host: host as Host, log }
}

export interface FlatFile {
  /** Type and permission; default a regular file that everybody may read and write. */
  mode?: number
  data?: Buffer
  size?: number
}

export const ROOT = 1
/** The nodeid of the file at an index of `flat`'s files. */
export const nodeOf = (index: number) => index + 2

/**
 * A directory of files. The file at index i is node i + 2. Names and attributes are kept for ever unless `timeout` says
 * otherwise, and opens, reads and writes are counted in `seen`, as 'open:name'.
 */
export function flat(
  files: Record<string, FlatFile>,
  methods: Filesystem = {},
  timeout = Number.POSITIVE_INFINITY,
): Filesystem & { seen: string[]; files: Record<string, FlatFile> } {
  const seen: string[] = []
  const names = () => Object.keys(files)
  const attributes = (node: number, attr: p.Attributes) => {
    if (node === ROOT) return attr.set({ ino: ROOT, mode: constants.S_IFDIR | 0o755 })
    const { mode = constants.S_IFREG | 0o666, data, size } = files[names()[node - 2]]
    attr.set({ ino: node, mode, size: data?.length ?? size ?? 0 })
  }
  return {
    seen,
    files,
    lookup(request, reply) {
      seen.push(`lookup:${request.name}`)
      const index = names().indexOf(String(request.name))
      if (index < 0) return reply.fail(errno.ENOENT)
      reply.nodeId = nodeOf(index)
      reply.generation = 1
      reply.entryTimeout = timeout
      reply.attrTimeout = timeout
      attributes(reply.nodeId, reply.attr)
    },
    getattr(request, reply) {
      seen.push(`getattr:${request.nodeId}`)
      attributes(request.nodeId, reply.attr)
      reply.attrTimeout = timeout
    },
    setattr(request, reply) {
      attributes(request.nodeId, reply.attr)
    },
    open(request, reply) {
      reply.fh = request.nodeId
      reply.flags = OpenFlag.KEEP_CACHE
    },
    read(request, reply) {
      seen.push(`read:${request.nodeId}`)
      const data = files[names()[request.nodeId - 2]].data ?? Buffer.alloc(0)
      reply.data(data.subarray(request.offset, request.offset + request.size))
    },
    ...methods,
  }
}

/** A promise and what settles it. */
export function deferred<T = void>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void
  const promise = new Promise<T>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}

/** Opens a file on another thread: its file system may be served by this one. Closed after the test. */
export async function openAside(t: TestContext, path: string, flags = constants.O_RDONLY): Promise<number> {
  const name = cString(path)
  const fd = checked(await ownThread(name, sys.openat, constants.AT_FDCWD, native.address(name), flags, 0))
  t.after(() => ownThread(undefined, sys.close, fd))
  return fd
}

/** Waits for a condition while the event loop runs; gives up with the test. */
export async function until(t: TestContext, condition: () => boolean): Promise<void> {
  while (!condition()) {
    t.signal.throwIfAborted()
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}
