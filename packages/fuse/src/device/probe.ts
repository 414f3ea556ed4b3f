import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { FuseError } from '../errors.js'
import { errno } from '../native.js'
import { locateMount } from './identity.js'
import { isFuse, type MountEntry } from './mountinfo.js'
import { mountpointError } from './mountpoint.js'
import { unmountPath } from './unmount.js'

export type MountState = 'alive' | 'dead' | 'hung' | 'not-mounted'

/** Milliseconds that a server has to answer one GETATTR. */
const TIMEOUT = 3000

/** What callers of a FUSE mount get when its connection has ended. */
const DEAD = [errno.ENOTCONN, errno.ECONNABORTED, errno.ECONNREFUSED]

/**
 * Tells whether the mount at `path` answers. A child process asks, which may have to stay behind, waiting, until the mount
 * is aborted; this process waits `timeout` milliseconds, counted from the moment the child asks. A refusal (EACCES) is an
 * answer.
 * @throws FilesystemError where the path cannot be reached
 */
export async function probeMount(path: string, timeout = TIMEOUT): Promise<MountState> {
  const entry = await locateMount(path)
  return entry ? probeEntry(entry, timeout) : 'not-mounted'
}

async function probeEntry(entry: MountEntry, timeout: number): Promise<MountState> {
  const program = fileURLToPath(new URL('./probe-main.js', import.meta.url))
  // Only the user who mounted may enter, not even root: root asks as that user.
  const option = (name: string) =>
    entry.superOptions.find((text) => text.startsWith(`${name}=`))?.slice(name.length + 1)
  const others = entry.superOptions.includes('allow_other')
  const user = others ? [] : [option('user_id') ?? '0', option('group_id') ?? '0']
  const child = spawn(process.execPath, [program, entry.mountPoint, ...user], {
    cwd: '/',
    env: { LD_LIBRARY_PATH: process.env.LD_LIBRARY_PATH },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined
    child.stdout.once('data', () => {
      timer = setTimeout(() => {
        child.kill('SIGKILL')
        // It may be stuck in the kernel: let go of it.
        child.stdout.destroy()
        child.unref()
        resolve('hung')
      }, timeout)
    })
    child.on('error', reject)
    child.on('close', (status) => {
      clearTimeout(timer)
      if (status === null || (status === 1 && timer === undefined)) {
        reject(new Error(`the probe of ${entry.mountPoint} failed`))
      } else resolve(DEAD.includes(status) ? 'dead' : 'alive')
    })
  })
}

/**
 * Makes a mount point free of dead FUSE mounts: those whose server is gone are unmounted lazily, as many as lie there.
 * Resolves to whether there was one.
 * @throws FuseError FUSE_MOUNTPOINT where a FUSE file system is mounted there that lives, or hangs
 */
export async function recoverDeadMount(mountpoint: string): Promise<boolean> {
  for (let recovered = false; ; recovered = true) {
    const entry = await locateMount(mountpoint).catch((cause) => {
      throw mountpointError(mountpoint, cause)
    })
    if (!entry || !isFuse(entry)) return recovered
    const state = await probeEntry(entry, TIMEOUT)
    if (state !== 'dead') {
      const hint = state === 'hung' ? ' and does not answer; unmount it by force first' : ''
      throw new FuseError('FUSE_MOUNTPOINT', `${mountpoint} is already mounted (${entry.type})${hint}`)
    }
    await unmountPath(entry.mountPoint, 'lazy')
  }
}
