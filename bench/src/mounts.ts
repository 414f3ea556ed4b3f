import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readlinkSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { mountAt } from './mount-table.js'
import { type Running, run, sleep, start, waitFor, which } from './processes.js'
import type { Profile, ServerSpec } from './servers.js'

export interface Mounted {
  /** Where the served files are; for native the source itself. */
  path: string
  pid: number
  device: number
  close: () => Promise<void>
}

export interface MountOptions {
  server: ServerSpec
  program: { path: string; help?: string }
  source: string
  profile: Profile
  bytes: number
  /** The CPU that all threads of the server are kept on. */
  cpu: number | undefined
  client: string
  workDirectory: string
}

const live = new Map<string, Running>()
let serial = 0

/** Starts a server and waits until a child process could stat a file in it. */
export async function mount(options: MountOptions): Promise<Mounted> {
  const { server, source } = options
  if (server.family === 'native') return { path: source, pid: 0, device: 0, close: async () => {} }

  const mountPoint = join(options.workDirectory, `mnt-${server.id}-${++serial}`)
  mkdirSync(mountPoint)
  const command = server.command({
    path: options.program.path,
    help: options.program.help ?? '',
    source,
    mountPoint,
    profile: options.profile,
    bytes: options.bytes,
  })
  const argv = [...dieWithParent(), ...pinned(options.cpu), ...command]
  const running = start(argv, { cwd: '/' })
  live.set(mountPoint, running)
  const close = () => unmount(mountPoint, running)
  try {
    const device = await ready(mountPoint, running)
    await run([options.client, 'probe', join(mountPoint, 'data')], { timeoutMs: 10_000 })
    const pid = running.child.pid!
    if (server.usesUring && !hasRing(pid)) {
      throw new Error('it reads /dev/fuse: io_uring is off (/sys/module/fuse/parameters/enable_uring)')
    }
    return { path: mountPoint, pid, device, close }
  } catch (error) {
    await close()
    const said = running.output.stderr.trim() || running.output.stdout.trim()
    throw new Error(`${(error as Error).message}${said ? `: ${said.slice(-600)}` : ''}`)
  }
}

async function ready(mountPoint: string, running: Running): Promise<number> {
  const deadline = Date.now() + 15_000
  while (Date.now() < deadline) {
    const entry = mountAt(mountPoint)
    if (entry?.type.startsWith('fuse')) return entry.device
    const ended = await waitFor(running, 10)
    if (ended) throw new Error(`ended with ${ended.signal ?? `status ${ended.status}`} before it was mounted`)
  }
  throw new Error('not mounted after 15 s')
}

/** A server that asked for io_uring and did not get it goes on with read and write, and says nothing. */
function hasRing(pid: number): boolean {
  const folder = `/proc/${pid}/fd`
  return readdirSync(folder).some((fd) => readlinkSync(join(folder, fd)).includes('io_uring'))
}

async function unmount(mountPoint: string, running: Running): Promise<void> {
  for (let attempt = 0; attempt < 20 && mountAt(mountPoint); attempt++) {
    if (spawnSync(...unmountCommand(mountPoint, false)).status === 0) break
    await sleep(50)
  }
  if (mountAt(mountPoint)) spawnSync(...unmountCommand(mountPoint, true))
  if (!(await waitFor(running, 5000))) running.child.kill('SIGTERM')
  if (!(await waitFor(running, 2000))) running.child.kill('SIGKILL')
  await waitFor(running, 2000)
  live.delete(mountPoint)
  rmdirSync(mountPoint)
}

/** For exits that cannot wait: Ctrl-C, an error in this program. */
export function unmountAll(): void {
  for (const [mountPoint, running] of live) {
    spawnSync(...unmountCommand(mountPoint, true))
    running.child.kill('SIGKILL')
    try {
      rmdirSync(mountPoint)
    } catch {}
  }
  live.clear()
}

function unmountCommand(mountPoint: string, lazy: boolean): [string, string[], { timeout: number }] {
  const options = { timeout: 10_000 }
  const root = process.getuid?.() === 0
  if (root) return ['umount', [...(lazy ? ['-l'] : []), mountPoint], options]
  return ['fusermount3', ['-u', ...(lazy ? ['-z'] : []), mountPoint], options]
}

/** The kernel ends the server if this process is killed without a chance to clean up. */
function dieWithParent(): string[] {
  const setpriv = which('setpriv')
  return setpriv ? [setpriv, '--pdeathsig', 'TERM', '--'] : []
}

export function pinned(cpu: number | undefined): string[] {
  return cpu === undefined ? [] : ['taskset', '-c', String(cpu)]
}
