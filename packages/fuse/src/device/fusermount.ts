import { spawn } from 'node:child_process'
import { FuseError } from '../errors.js'
import { constants, native, sys } from '../native.js'
import { adoptDescriptor, openFuse, socketPair, takeDescriptors } from './descriptors.js'
import { forFusermount, type MountSettings } from './mount-options.js'
import { cString, ownThread } from './system.js'

// The set-user-ID helper of libfuse 3, with which users mount and unmount (fusermount3(1)).
const PROGRAM = 'fusermount3'
const DIRECTORIES = ['/usr/bin', '/bin', '/usr/local/bin', '/run/wrappers/bin']

/** Finds fusermount3, in the usual places before PATH: a directory of PATH may lie on a mount that hangs. */
async function findFusermount(): Promise<string | undefined> {
  for (const directory of [...DIRECTORIES, ...(process.env.PATH ?? '').split(':')]) {
    if (!directory.startsWith('/')) continue
    const path = `${directory}/${PROGRAM}`
    const name = cString(path)
    const X_OK = 1
    if ((await ownThread(name, sys.faccessat, constants.AT_FDCWD, native.address(name), X_OK)) === 0)
      return path
  }
  return undefined
}

interface Outcome {
  status: number | null
  /** The last line of its standard error, without its name. */
  complaint: string
}

/** Runs fusermount3 from '/', so that it holds no directory of ours; `socket` becomes its descriptor 3. */
async function run(args: string[], socket?: number): Promise<Outcome> {
  const program = await findFusermount()
  if (!program) {
    const why = 'a user mounts with fusermount3, which is not installed (Debian: apt-get install fuse3)'
    throw new FuseError('FUSE_MOUNT', why)
  }
  return new Promise((resolve, reject) => {
    const env: NodeJS.ProcessEnv = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' }
    if (socket !== undefined) env._FUSE_COMMFD = '3'
    const stdio: ('ignore' | 'pipe' | number)[] = ['ignore', 'ignore', 'pipe']
    if (socket !== undefined) stdio.push(socket)
    const child = spawn(program, args, { cwd: '/', env, stdio })
    let text = ''
    child.stderr?.setEncoding('utf8').on('data', (chunk) => {
      text += chunk
    })
    child.on('error', (cause) =>
      reject(new FuseError('FUSE_MOUNT', `cannot run ${program}: ${cause.message}`, { cause })),
    )
    child.on('close', (status) => {
      const lines = text.trim().split('\n')
      resolve({ status, complaint: lines[lines.length - 1].replace(/^(\S*\/)?fusermount3?: */, '') })
    })
  })
}

/**
 * Mounts with fusermount3 and resolves to the /dev/fuse descriptor that it sends back.
 * @throws FuseError FUSE_DEVICE, FUSE_MOUNT, FUSE_MOUNTPOINT or FUSE_OPTION
 */
export async function mountByFusermount(path: string, settings: MountSettings): Promise<number> {
  const options = forFusermount(settings)
  // fusermount3 opens the device as this user, and says less if it may not.
  native.syscall(sys.close, openFuse())
  const [ours, theirs] = socketPair()
  try {
    const running = run(['-o', options, '--', path], theirs)
    const outcome = await running.finally(() => native.syscall(sys.close, theirs))
    if (outcome.status !== 0) throw mountError(path, outcome.complaint)
    // It has exited: the descriptor is in the socket, or will never be.
    const flags = native.syscall(sys.fcntl, ours, constants.F_GETFL, 0)
    native.syscall(sys.fcntl, ours, constants.F_SETFL, flags | constants.O_NONBLOCK)
    const [fd] = takeDescriptors(ours) ?? []
    if (fd === undefined) throw mountError(path, outcome.complaint)
    await adoptDescriptor(fd)
    return fd
  } finally {
    native.syscall(sys.close, ours)
  }
}

function mountError(path: string, complaint: string): FuseError {
  if (complaint.includes('user_allow_other')) {
    const why = "allow_other needs the line 'user_allow_other' in /etc/fuse.conf, which root may add"
    return new FuseError('FUSE_OPTION', why)
  }
  if (/mount ?point|no write access|access .*: |over filesystem/.test(complaint)) {
    return new FuseError('FUSE_MOUNTPOINT', `cannot mount on ${path}: ${complaint}`)
  }
  return new FuseError('FUSE_MOUNT', `fusermount3 cannot mount on ${path}: ${complaint || 'no reason given'}`)
}

/** Unmounts with fusermount3. Resolves to what it complained of; undefined when done. */
export async function unmountByFusermount(path: string, lazy: boolean): Promise<string | undefined> {
  const { status, complaint } = await run([...(lazy ? ['-u', '-z'] : ['-u']), '--', path])
  return status === 0 ? undefined : complaint || `fusermount3 ended with status ${status}`
}
