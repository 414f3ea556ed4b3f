import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { readFileSync, realpathSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setupScript } from './unprivileged-setup.js'

export interface UnprivilegedOptions {
  /** The user's number; it needs no entry in the machine's /etc/passwd. */
  readonly uid?: number
  readonly gid?: number
  /** Directories and files of the machine, shown at another path (made if missing below `/mnt`). */
  readonly mounts?: readonly BindMount[]
  /** Whether /etc/fuse.conf says user_allow_other. */
  readonly userAllowOther?: boolean
}

export interface BindMount {
  readonly source: string
  readonly target: string
  readonly readOnly?: boolean
}

export interface SpawnOptions {
  /** Replaces the session's user, for instance by 0 or by a third user. */
  readonly uid?: number
  readonly gid?: number
  /** Supplementary groups. */
  readonly groups?: readonly number[]
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
  readonly stdio?: StdioOptions
}

export interface RunOptions extends UnprivilegedOptions, SpawnOptions {
  readonly command: string
  readonly args?: readonly string[]
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface Completed extends Ended {
  readonly stdout: string
  readonly stderr: string
}

/** What lies in the namespace under test: an empty tmpfs of the user's own, its home and TMPDIR. */
export const PRIVATE_DIRECTORY = '/mnt'

const DEFAULT_ID = 64001

/** Why this process cannot set up another user's session; undefined for root, whose failures are errors. */
export function whyNotUnprivileged(): string | undefined {
  return process.getuid?.() === 0 ? undefined : 'only root can start a process as another user'
}

/** Runs one command as a user that is not root; its namespaces end with it. */
export async function runUnprivileged(options: RunOptions): Promise<UnprivilegedProcess> {
  const session = await openUnprivileged(options)
  const child = session.spawn(options.command, options.args ?? [], options)
  child.ended.then(
    () => session.close(),
    () => session.close(),
  )
  return child
}

/**
 * A place for processes of a user that is not root, where fusermount3 works: mount and PID namespaces of their
 * own, with a /dev/fuse of mode 0666, an /etc/fuse.conf, and an entry in /etc/passwd, none of which the machine
 * sees. Everything in it dies and is unmounted when it is closed, or when this process ends however it ends.
 * What cannot be set up is an error, never a reason to skip.
 */
export async function openUnprivileged(options: UnprivilegedOptions = {}): Promise<UnprivilegedSession> {
  const refusal = whyNotUnprivileged()
  if (refusal !== undefined) throw new Error(refusal)
  const { uid = DEFAULT_ID, gid = uid, mounts = [], userAllowOther = true } = options
  if (uid === 0) throw new Error('an unprivileged session of root')
  const { closed, reach } = closedFolders()
  const setup = { directory: PRIVATE_DIRECTORY, uid, gid, userAllowOther, closed }
  const script = setupScript({ ...setup, mounts: [...reach, ...mounts] })
  // The shell becomes process 1 of the PID namespace, and ends (taking all others along) when its input does:
  // when we close it, or when we are killed.
  const args = [
    '--mount',
    '--pid',
    '--fork',
    '--kill-child',
    '--propagation',
    'private',
    'sh',
    '-euc',
    script,
  ]
  const holder = spawn('unshare', args, { stdio: ['pipe', 'pipe', 'pipe'] })
  const initPid = await readyLine(holder)
  // It need not be closed for this process to end: that closes it.
  holder.unref()
  return new UnprivilegedSession(holder, initPid, uid, gid)
}

export class UnprivilegedSession {
  readonly directory = PRIVATE_DIRECTORY
  readonly uid: number
  readonly gid: number
  /** Process 1 of the namespaces, as this process sees it: /proc/PID/root is their root directory. */
  readonly initPid: number
  readonly #holder: ChildProcess
  readonly #holderEnded: Promise<unknown>

  constructor(holder: ChildProcess, initPid: number, uid: number, gid: number) {
    this.#holder = holder
    this.#holderEnded = new Promise((resolve) => holder.once('close', resolve))
    this.initPid = initPid
    this.uid = uid
    this.gid = gid
  }

  /** Starts a command as the user (or as another one) inside the namespaces. */
  spawn(command: string, args: readonly string[] = [], options: SpawnOptions = {}): UnprivilegedProcess {
    const { uid = this.uid, gid = options.uid ?? this.gid, groups = [], cwd = PRIVATE_DIRECTORY } = options
    const home = uid === this.uid ? PRIVATE_DIRECTORY : '/'
    const user = uid === 0 ? [] : ['--inh-caps=-all', '--reuid', `${uid}`, '--regid', `${gid}`]
    const supplementary = groups.length === 0 ? ['--clear-groups'] : ['--groups', groups.join(',')]
    const inside = ['setpriv', ...user, ...supplementary, 'env', `--chdir=${cwd}`, command, ...args]
    const child = spawn('nsenter', ['--target', `${this.initPid}`, '--mount', '--pid', '--', ...inside], {
      stdio: options.stdio ?? ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        HOME: home,
        USER: uid === this.uid ? 'hawser-test' : undefined,
        LOGNAME: undefined,
        TMPDIR: uid === this.uid ? PRIVATE_DIRECTORY : '/tmp',
        XDG_RUNTIME_DIR: uid === this.uid ? `${PRIVATE_DIRECTORY}/.run` : undefined,
        ...options.env,
      },
    })
    return new UnprivilegedProcess(child)
  }

  /** Runs a command to its end and returns what it printed. */
  async run(command: string, args: readonly string[] = [], options: SpawnOptions = {}): Promise<Completed> {
    const { child, ended } = this.spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
    const output = { stdout: '', stderr: '' }
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      output.stdout += text
    })
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      output.stderr += text
    })
    return { ...(await ended), ...output }
  }

  /** Kills every process of the namespaces, daemons too; their mounts go with them. */
  async close(): Promise<void> {
    this.#holder.stdin?.end()
    const timer = setTimeout(() => this.#holder.kill('SIGKILL'), 5000)
    await this.#holderEnded
    clearTimeout(timer)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

export class UnprivilegedProcess {
  /** The process that waits for the command and ends as it does: its pipes and events are the command's. */
  readonly child: ChildProcess
  /** Settles when the command has ended and its pipes are closed. */
  readonly ended: Promise<Ended>

  constructor(child: ChildProcess) {
    this.child = child
    this.ended = new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code, signal) => resolve({ code, signal }))
    })
    this.ended.catch(() => {})
  }

  /** The command's own process id, as this process sees it; undefined when it has ended. */
  async pid(): Promise<number | undefined> {
    const { pid } = this.child
    while (pid !== undefined && this.child.exitCode === null && this.child.signalCode === null) {
      const [inner] = childrenOf(pid)
      if (inner !== undefined && !isStarting(inner)) return inner
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    return undefined
  }

  /** Sends the command a signal (child.kill would reach only the process that waits for it). */
  async kill(signal: NodeJS.Signals = 'SIGTERM'): Promise<boolean> {
    const pid = await this.pid()
    return pid !== undefined && process.kill(pid, signal)
  }
}

/**
 * A clone below a directory that only root can search (/root, or one by mktemp) is out of the user's reach, as
 * Node may be: such directories are covered in the namespace, and what is needed bound back to its own path.
 */
function closedFolders(): { closed: string[]; reach: BindMount[] } {
  const repository = realpathSync(fileURLToPath(new URL('../../../', import.meta.url)))
  if ((statSync(repository).mode & 0o005) !== 0o005) {
    throw new Error(`${repository} must be readable by other users: chmod o+rx`)
  }
  const node = realpathSync(process.execPath)
  const needed = node.startsWith(`${repository}/`) ? [repository] : [repository, node]
  const reach = needed.filter((path) => closedAncestor(path) !== undefined)
  const closed = new Set(reach.map((path) => closedAncestor(path)!))
  return { closed: [...closed], reach: reach.map((path) => ({ source: path, target: path })) }
}

/** The topmost directory above a path that other users cannot search. */
function closedAncestor(path: string): string | undefined {
  let closed: string | undefined
  for (let folder = dirname(path); folder !== '/'; folder = dirname(folder)) {
    if ((statSync(folder).mode & 0o001) === 0) closed = folder
  }
  return closed
}

/** The process id that the setup prints when everything is ready. */
function readyLine(holder: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let stdout = ''
    let stderr = ''
    holder.stderr!.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    holder.stdout!.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
      const ready = /^ready (\d+)$/m.exec(stdout)
      if (ready !== null) resolve(Number(ready[1]))
    })
    holder.once('error', reject)
    holder.once('close', () =>
      reject(new Error(`no unprivileged session: ${stderr.trim() || 'setup failed'}`)),
    )
  })
}

function childrenOf(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
    return text === '' ? [] : text.split(' ').map(Number)
  } catch {
    return []
  }
}

/** Whether the child is still one of the programs that lead to the command. */
function isStarting(pid: number): boolean {
  try {
    const name = readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
    return name === 'nsenter' || name === 'setpriv' || name === 'env'
  } catch {
    return true
  }
}
