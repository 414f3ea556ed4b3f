// Where tests of mounts happen: a mount namespace of the test process's own, so that what they leave behind ends with the
// process, however that ends, and the machine never sees it.
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext } from 'node:test'
import { abortConnection, connectionOf, isFuse, native, readMounts, sys } from '@hawser/fuse'
import { openUnprivileged, type UnprivilegedSession } from '@hawser/test-kit'
import { MountedServer } from './mounted-server.js'
import type { ServerStart, ServerState } from './server-main.js'
import { until } from './until.js'

/** Options of a test: skipped for other users than root, whose failures are errors. */
export const needsRoot = {
  skip: process.geteuid?.() === 0 ? false : 'only root can make a mount namespace',
}

let isolated = false

/**
 * Moves the main thread, and the threads and processes that it starts from now on, to a new mount namespace. libuv's
 * threads may be older: tests use no fs.promises.
 */
export function isolate(): void {
  if (isolated || needsRoot.skip) return
  const CLONE_NEWNS = 0x20000
  const result = native.syscall(sys.unshare, CLONE_NEWNS)
  if (result < 0) throw new Error(`no mount namespace: errno ${-result}`)
  isolated = true
  run('mount', '--make-rprivate', '/')
}

/** Runs a program to its end; its output. Throws where it fails. */
export function run(command: string, ...args: string[]): string {
  const { status, signal, stdout, stderr, error } = spawnSync(command, args, {
    cwd: '/',
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  })
  if (error) throw error
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${signal ?? status}: ${stdout}${stderr}`)
  return stdout
}

/** A test's own folder, which other users can enter, its file systems and servers. All of it goes with the test. */
export class Workspace {
  readonly folder: string
  readonly #servers: MountedServer[] = []
  readonly #sessions: UnprivilegedSession[] = []
  readonly #ends: (() => unknown)[] = []
  #number = 0

  /** @param t a test, or undefined for the whole file */
  constructor(t?: TestContext) {
    isolate()
    this.folder = mkdtempSync(join(tmpdir(), 'hawser-mount-'))
    chmodSync(this.folder, 0o755)
    if (t) t.after(() => this.end())
    else after(() => this.end())
  }

  /** A new empty directory. */
  directory(name = 'directory'): string {
    const path = join(this.folder, `${name}-${this.#number++}`)
    mkdirSync(path)
    return path
  }

  mount(type: string, options: string, device = type): string {
    const path = this.directory(type)
    run('mount', '-t', type, '-o', options, device, path)
    chmodSync(path, 0o755)
    return path
  }

  /** An ext4 of its own, on a loop device that goes when it is unmounted. */
  ext4(megabytes = 256): string {
    const image = join(this.folder, `image-${this.#number++}`)
    run('truncate', '-s', `${megabytes}M`, image)
    run('mkfs.ext4', '-q', '-b', '4096', '-m', '0', image)
    return this.mount('ext4', 'loop,acl,user_xattr', image)
  }

  btrfs(): string {
    const image = join(this.folder, `image-${this.#number++}`)
    run('truncate', '-s', '256M', image)
    run('mkfs.btrfs', '-q', image)
    return this.mount('btrfs', 'loop', image)
  }

  tmpfs(options = 'size=1g'): string {
    return this.mount('tmpfs', options)
  }

  /** An overlay, with its lower and upper directories. */
  overlay(prepare: (lower: string) => void = () => {}): { merged: string; lower: string; upper: string } {
    const base = this.ext4()
    const [lower, upper, work] = ['lower', 'upper', 'work'].map((name) => join(base, name))
    for (const path of [lower, upper, work]) mkdirSync(path)
    prepare(lower)
    return {
      lower,
      upper,
      merged: this.mount('overlay', `lowerdir=${lower},upperdir=${upper},workdir=${work}`),
    }
  }

  /** Mounts a source, at a new directory unless told. */
  async serve(
    source: string,
    options: ServerStart['options'] = {},
    mountpoint = this.directory('mnt'),
  ): Promise<MountedServer> {
    const server = await MountedServer.start({ source, mountpoint, options })
    this.#servers.push(server)
    return server
  }

  /** A session of a user that is not root; it sees this test's files. */
  async unprivileged(): Promise<UnprivilegedSession> {
    const session = await openUnprivileged()
    this.#sessions.push(session)
    return session
  }

  /** As `serve`, by that user with fusermount3, in the session's namespace. */
  async serveUnprivileged(
    session: UnprivilegedSession,
    source: string,
    options: ServerStart['options'] = {},
    mountpoint = `${session.directory}/mount-${this.#number++}`,
  ): Promise<MountedServer> {
    const seen = this.seen(session, mountpoint)
    if (!existsSync(seen)) {
      mkdirSync(seen)
      chownSync(seen, session.uid, session.gid)
    }
    const server = await MountedServer.start({ source, mountpoint, options }, (command, args) => {
      return session.spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] }).child
    })
    this.#servers.push(server)
    return server
  }

  /** A path of the session's namespace for this process. */
  seen(session: UnprivilegedSession, path: string): string {
    return `/proc/${session.initPid}/root${path}`
  }

  /** Something to do at the end, before anything is unmounted. */
  atEnd(action: () => unknown): void {
    this.#ends.push(action)
  }

  async end(): Promise<void> {
    for (const action of this.#ends.reverse()) await action()
    await Promise.all(this.#sessions.map((session) => session.close()))
    for (const { mountPoint, entry } of this.#mounts().reverse()) {
      if (isFuse(entry)) abortConnection(connectionOf(entry))
      run('umount', '--lazy', mountPoint)
    }
    await Promise.all(this.#servers.map((server) => server.kill()))
    rmSync(this.folder, { recursive: true, force: true })
  }

  #mounts() {
    return readMounts()
      .filter(({ mountPoint }) => mountPoint.startsWith(`${this.folder}/`))
      .map((entry) => ({ mountPoint: entry.mountPoint, entry }))
  }
}

const remount = `
import ctypes, os, sys
MS_NOSUID, MS_NODEV, MS_REMOUNT = 2, 4, 32
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(None, os.fsencode(sys.argv[1]), None, MS_REMOUNT | MS_NOSUID | MS_NODEV, None) != 0:
    sys.exit(os.strerror(ctypes.get_errno()))
`

/**
 * The state when the kernel has forgotten what nobody uses of a mount, as it does when it is remounted. (drop_caches would
 * empty the caches of the whole machine, and of other tests.)
 *
 * @param session whose namespace the mount is in
 */
export async function emptied(
  server: MountedServer,
  wanted: (state: ServerState) => boolean,
  session?: UnprivilegedSession,
): Promise<ServerState> {
  const inside = session ? ['--target', `${session.initPid}`, '--mount'] : []
  let state!: ServerState
  // What is released just now is in use until the server has answered.
  await until(async () => {
    run('nsenter', ...inside, 'python3', '-c', remount, server.mountpoint)
    state = await server.settled(wanted, 1000)
    return wanted(state)
  })
  return state
}
