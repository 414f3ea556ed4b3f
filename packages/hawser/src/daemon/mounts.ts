// The registry, checked against what is really there.
import { connectionOf, isFuse, type MountEntry, readMounts } from '@hawser/fuse'
import { ControlClient, type ControlError } from './control-client.js'
import { type FoundEntry, type RegistryEntry, readRegistry, removeEntry } from './registry.js'

export type MountState =
  /** Serves. */
  | 'mounted'
  /** Unmounted; serves those who still have files open, or copies in other mount namespaces. */
  | 'detached'
  /** Its process is there and does not answer. */
  | 'unresponsive'
  /** Its process has ended without unmounting: whoever uses the mount gets ENOTCONN. */
  | 'dead'

export interface KnownMount extends RegistryEntry {
  state: MountState
  id: string
  socket: string
}

const ANSWER_MILLISECONDS = 3000

/** This user's mounts. What died without leaving a mount behind is cleaned away on the way. */
export async function listMounts(directory: string, uid: number): Promise<KnownMount[]> {
  const entries = readRegistry(directory, uid)
  if (entries.length === 0) return []
  const table = readMounts()
  const mounts = await Promise.all(entries.map((entry) => examine(directory, entry, table)))
  const known = mounts.filter((mount) => mount !== undefined)
  return known.filter((mount) => {
    // The kernel gives the number of a connection that ended to the next one.
    const replaced =
      mount.state === 'dead' && known.some((other) => other.state !== 'dead' && isSameMount(mount, other))
    if (replaced) removeEntry(directory, mount.id)
    return !replaced
  })
}

function isSameMount(a: RegistryEntry, b: RegistryEntry): boolean {
  return a.mountpoint === b.mountpoint && a.connection === b.connection
}

async function examine(
  directory: string,
  found: FoundEntry,
  table: readonly MountEntry[],
): Promise<KnownMount | undefined> {
  let client: ControlClient | undefined
  try {
    client = await ControlClient.open(found.socket)
    const entry = await client.ask({ verb: 'status' }, ANSWER_MILLISECONDS)
    return { ...found, ...entry, state: entry.detached ? 'detached' : 'mounted' }
  } catch (error) {
    if ((error as ControlError).code !== 'DEAD') return { ...found, state: 'unresponsive' }
    if (isLeftOver(found, table)) return { ...found, state: 'dead' }
    removeEntry(directory, found.id)
    return undefined
  } finally {
    client?.close()
  }
}

/** Whether the mount of a process that has died is still in the mount table. */
function isLeftOver(entry: RegistryEntry, table: readonly MountEntry[]): boolean {
  return table.some(
    (row) =>
      isFuse(row) &&
      row.mountPoint === entry.mountpoint &&
      (entry.connection === undefined || connectionOf(row) === entry.connection),
  )
}
