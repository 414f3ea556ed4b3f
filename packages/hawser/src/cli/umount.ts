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
    {
      name: 'force',
      short: 'f',
      kind: flag,
      explanation: 'Fail every request that waits, and detach. Ends what was detached before, too.',
    },
  ],
  details:
    () => `Without options, a mount that is in use stays and the command fails. What other mount namespaces have of it goes on
there, and the command says so. A mount whose process has died is removed either way. umount(8) and fusermount3 -u
work too.
`,
  async run(input) {
    if (has(input, 'lazy') && has(input, 'force'))
      throw new UsageError('umount: --lazy and --force exclude each other')
    const mode = has(input, 'force') ? 'force' : has(input, 'lazy') ? 'lazy' : 'clean'
    await unmount(canonicalMountpoint(input.arguments[0]), mode)
    return exitCodes.ok
  },
}

async function unmount(mountpoint: string, mode: UnmountMode): Promise<void> {
  const uid = process.geteuid!()
  const directory = runtimeDirectory(process.env, uid)
  const mounts = (await listMounts(directory, uid)).filter((mount) => mount.mountpoint === mountpoint)
  // The last one mounted is the one that is visible.
  const serving = mounts.findLast(({ state }) => state === 'mounted')
  if (serving !== undefined) return await ask(serving, mode)
  const { findMount, unmountAt } = await import('@hawser/fuse')
  const detached = mounts.findLast(({ state }) => state === 'detached')
  if (detached !== undefined && findMount(mountpoint) === undefined) {
    if (mode === 'force') return await ask(detached, mode)
    throw new Failure(await explainDetached(detached))
  }
  const dead = mounts.find(({ state }) => state === 'dead')
  try {
    // Nobody is left to write anything for: a dead mount is never too busy to go.
    await unmountAt(mountpoint, dead === undefined ? mode : 'lazy')
  } catch (error) {
    const hung = mode === 'force' ? undefined : mounts.find(({ state }) => state === 'unresponsive')
    const hint = hung === undefined ? '' : `; process ${hung.pid} does not answer: try --force`
    throw new Failure(`${explain((error as Error).message, mountpoint)}${hint}`)
  }
  if (dead !== undefined) removeEntry(directory, dead.id)
}

function explain(message: string, mountpoint: string): string {
  return message.includes(mountpoint) ? message : `cannot unmount ${mountpoint}: ${message}`
}

async function ask(mount: KnownMount, mode: UnmountMode): Promise<void> {
  let client: ControlClient | undefined
  try {
    client = await ControlClient.open(mount.socket)
    const { detached } = await client.ask({ verb: 'unmount', mode }, UNMOUNT_MILLISECONDS)
    if (mode !== 'clean') return
    if (detached) process.stderr.write(`hawser: ${await explainDetached(mount)}\n`)
    else await Promise.race([client.closed, new Promise((resolve) => setTimeout(resolve, EXIT_MILLISECONDS))])
  } catch (error) {
    const { code, message } = error as ControlError
    // It may have ended while it was asked.
    if (code === 'DEAD') return
    const users = mode === 'clean' ? await usersOf(mount.mountpoint) : ''
    throw new Failure(`${explain(message, mount.mountpoint)}${users}`)
  } finally {
    client?.close()
  }
}

async function usersOf(mountpoint: string): Promise<string> {
  const { findUsers, nameUsers } = await import('./users.js')
  const users = findUsers(mountpoint)
  return users.length === 0 ? '' : `; used by ${nameUsers(users)}`
}

async function explainDetached({ mountpoint, connection, pid }: KnownMount): Promise<string> {
  const { connectionOf, readMounts } = await import('@hawser/fuse')
  const { findHolders, nameUsers } = await import('./users.js')
  const copies = readMounts().filter((row) => connectionOf(row) === connection)
  const holders = connection === undefined ? [] : findHolders(connection)
  const where =
    copies.length > 0
      ? `mounted on ${copies.map(({ mountPoint }) => mountPoint).join(', ')}`
      : holders.length > 0
        ? `in use in another mount namespace, by ${nameUsers(holders)}`
        : 'in use by an open file or in another mount namespace'
  return `${mountpoint} is detached here, but still ${where}; its server, process ${pid}, ends with the last of them, or by umount --force`
}
