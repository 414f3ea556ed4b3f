// The running mounts of one user: a directory with two files a mount, ID.json (what it is) and ID.sock (its
// control socket). The process that serves a mount owns them; a socket that nobody answers on tells that it died.
import { lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface RegistryEntry {
  mountpoint: string
  /** Without passwords. */
  source: string
  pid: number
  engine: string
  /** ISO 8601. */
  since: string
  version: string
  /** Number of the kernel's FUSE connection, as in the device numbers of /proc/self/mountinfo. */
  connection?: number
  options: Record<string, unknown>
  metrics?: string
  logFile?: string
}

export interface FoundEntry extends RegistryEntry {
  id: string
  socket: string
}

/** Where the running mounts of this user are listed. HAWSER_RUNTIME_DIR replaces the usual places. */
export function runtimeDirectory(environment: NodeJS.ProcessEnv, uid: number): string {
  if (environment.HAWSER_RUNTIME_DIR) return environment.HAWSER_RUNTIME_DIR
  if (uid === 0) return '/run/hawser'
  const session = environment.XDG_RUNTIME_DIR
  if (session?.startsWith('/') && lstatSync(session, { throwIfNoEntry: false })?.uid === uid) {
    return join(session, 'hawser')
  }
  return `/tmp/hawser-${uid}`
}

/** Makes the directory, 0700 and ours; throws where another user could look into it or replace it. */
export function prepareRuntimeDirectory(path: string, uid: number): void {
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  const problem = distrust(path, uid)
  if (problem !== undefined) throw new Error(problem)
}

/** Why a directory must not be used; undefined: it may. */
function distrust(path: string, uid: number): string | undefined {
  const status = lstatSync(path)
  if (!status.isDirectory()) return `${path} is not a directory; remove it or set HAWSER_RUNTIME_DIR`
  if (status.uid !== uid) {
    return `${path} belongs to user ${status.uid}, not to ${uid}; remove it or set HAWSER_RUNTIME_DIR`
  }
  if ((status.mode & 0o077) !== 0) return `${path} is open to other users; run: chmod 700 ${path}`
  return undefined
}

// sun_path holds 108 bytes with the final zero.
const SOCKET_PATH_LIMIT = 107

export class Registration {
  readonly #file: string
  readonly socket: string

  constructor(directory: string, id: string) {
    this.#file = join(directory, `${id}.json`)
    this.socket = join(directory, `${id}.sock`)
    if (Buffer.byteLength(this.socket) > SOCKET_PATH_LIMIT) {
      throw new Error(
        `${directory} is too long for a socket's path (${SOCKET_PATH_LIMIT} bytes); set HAWSER_RUNTIME_DIR`,
      )
    }
  }

  /** Readers see the old entry or the new one, never a half. */
  publish(entry: RegistryEntry): void {
    const fresh = `${this.#file}.new`
    writeFileSync(fresh, `${JSON.stringify(entry)}\n`, { mode: 0o600 })
    renameSync(fresh, this.#file)
  }

  remove(): void {
    rmSync(this.#file, { force: true })
    rmSync(this.socket, { force: true })
  }
}

/** Unique on this machine for as long as it matters: process numbers come back, also in other namespaces. */
export function newId(): string {
  return `${process.pid}-${Date.now().toString(36)}`
}

/** Every entry, alive or not; a missing directory has none, one that is not ours is an error. */
export function readRegistry(directory: string, uid: number): FoundEntry[] {
  let names: string[]
  try {
    const problem = distrust(directory, uid)
    if (problem !== undefined) throw new Error(problem)
    names = readdirSync(directory)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  const entries: FoundEntry[] = []
  for (const name of names.filter((name) => name.endsWith('.json')).sort()) {
    const id = name.slice(0, -5)
    const entry = readEntry(join(directory, name))
    if (entry !== undefined) entries.push({ ...entry, id, socket: join(directory, `${id}.sock`) })
  }
  return entries
}

function readEntry(path: string): RegistryEntry | undefined {
  try {
    const entry = JSON.parse(readFileSync(path, 'utf8')) as RegistryEntry
    const valid =
      typeof entry.mountpoint === 'string' && typeof entry.source === 'string' && Number.isInteger(entry.pid)
    return valid ? entry : undefined
  } catch {
    return undefined // removed meanwhile
  }
}

export function removeEntry(directory: string, id: string): void {
  rmSync(join(directory, `${id}.json`), { force: true })
  rmSync(join(directory, `${id}.sock`), { force: true })
}
