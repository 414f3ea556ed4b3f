import { ControlClient, type ControlError } from '../daemon/control-client.js'
import { type KnownMount, listMounts } from '../daemon/mounts.js'
import type { UnmountMode } from '../daemon/protocol.js'
import { removeEntry, runtimeDirectory } from '../daemon/registry.js'
import { canonicalMountpoint } from './paths.js'
import { exitCodes, Failure, flag, has, UsageError, type Verb } from './verb.js'

// The process answers when the mount has ended: what was written goes to the source first.
const UNMOUNT_MILLISECONDS = 60_000
// Until the process is gone, and with it its metrics port and its files.
const EXIT_MILLISECONDS = 5000

export const verb: Verb = {
  name: 'umount',
  usage: 'MOUNTPOINT [--lazy | --force]',
  summary: 'Unmount, also what a dead process left',
  arguments: ['MOUNTPOINT'],
  options: [
    {
      name: 'lazy',
      short: 'l',
      kind: flag,
      explanation: 'Detach now; the mount ends with the last program that uses it.',
    },
    { name: 'force', short: 'f', kind: flag, explanation: 'Fail every request that waits, and detach.' },
  ],
  details:
    () => `Without options, a mount that is in use stays and the command fails. A mount whose process has died is
removed either way. umount(8) and fusermount3 -u work too.
`,
  async run(input) {
    if (has(input, 'lazy') && has(input, 'force'))
      throw new UsageError('umount: --lazy and --force exclude each other')
    const mode = has(input, 'force') ? 'force' : has(input, 'lazy') ? 'lazy' : 'clean'
    await unmount(canonicalMountpoint(input.arguments[0]), mode)
    return exitCodes.ok
  },
}

export async function unmount(mountpoint: string, mode: UnmountMode): Promise<void> {
  const uid = process.geteuid!()
  const directory = runtimeDirectory(process.env, uid)
  const mounts = (await listMounts(directory, uid)).filter((mount) => mount.mountpoint === mountpoint)
  // The last one mounted is the one that is visible.
  const serving = mounts.filter(({ state }) => state === 'mounted').at(-1)
  if (serving !== undefined) return await ask(serving, mode)
  const { unmountAt } = await import('@hawser/fuse')
  const dead = mounts.find(({ state }) => state === 'dead')
  try {
    // Nobody is left to write anything for: a dead mount is never too busy to go.
    await unmountAt(mountpoint, dead === undefined ? mode : 'lazy')
  } catch (error) {
    throw new Failure(explain((error as Error).message, mountpoint, mounts))
  }
  if (dead !== undefined) removeEntry(directory, dead.id)
}

function explain(message: string, mountpoint: string, mounts: readonly KnownMount[]): string {
  const [mount] = mounts
  if (mount?.state === 'unresponsive') return `${message}; process ${mount.pid} does not answer: try --force`
  return message.includes(mountpoint) ? message : `cannot unmount ${mountpoint}: ${message}`
}

async function ask(mount: KnownMount, mode: UnmountMode): Promise<void> {
  const client = await ControlClient.open(mount.socket)
  try {
    await client.ask({ verb: 'unmount', mode }, UNMOUNT_MILLISECONDS)
  } catch (error) {
    const { code, message } = error as ControlError
    // It may have ended while it was asked.
    if (code === 'DEAD') return
    const users = mode === 'clean' ? await usersOf(mount.mountpoint) : ''
    throw new Failure(`cannot unmount ${mount.mountpoint}: ${message}${users}`)
  }
  if (mode === 'clean') {
    await Promise.race([client.closed, new Promise((resolve) => setTimeout(resolve, EXIT_MILLISECONDS))])
  }
  client.close()
}

async function usersOf(mountpoint: string): Promise<string> {
  const { findUsers } = await import('./users.js')
  const users = findUsers(mountpoint)
  if (users.length === 0) return ''
  const some = users.slice(0, 4).map(({ pid, name }) => `${pid} (${name})`)
  const more = users.length > some.length ? ` and ${users.length - some.length} more` : ''
  return `; used by ${some.join(', ')}${more}`
}
