/** Finds out what a directory's filesystem can do, by trying. */

import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync } from 'node:fs'
import type { Capability } from './case.js'
import { constants as c } from './native.js'
import type { Peer } from './peer.js'
import * as posix from './posix.js'
import { acl } from './posix-acl.js'

/** Tried in the reference directory: what the filesystem beneath can do, the target must be able to do as well. */
export function probeFilesystem(directory: string): Set<Capability> {
  const found = new Set<Capability>()
  const path = `${directory}/probe`
  const fd = posix.open(path, c.O_RDWR | c.O_CREAT, 0o644)
  if (fd < 0) return found
  const tries: [Capability, () => boolean][] = [
    ['root', () => process.geteuid?.() === 0],
    ['xattr', () => posix.setxattr(path, 'user.probe', 'x') === 0],
    ['acl', () => posix.setxattr(path, 'system.posix_acl_access', acl('u::rw-,g::r--,o::r--')) === 0],
    ['tmpfile', () => closeIf(posix.open(directory, c.O_TMPFILE | c.O_RDWR, 0o600))],
    ['direct', () => closeIf(posix.open(path, c.O_RDWR | c.O_DIRECT))],
    [
      'device',
      () => posix.mknod(`${path}.device`, c.S_IFCHR | 0o600, 1, 3) === 0 && process.geteuid?.() === 0,
    ],
    [
      'btime',
      () => {
        const status = posix.fstat(fd)
        return typeof status !== 'number' && status.btime !== null
      },
    ],
    // Every filesystem answers SEEK_HOLE; only one that knows holes finds this one before the end.
    ['holes', () => posix.pwrite(fd, 'x', 1 << 20) === 1 && posix.lseek(fd, 0, c.SEEK_DATA) > 0],
    [
      'exchange',
      () => {
        closeIf(posix.open(`${path}.2`, c.O_RDWR | c.O_CREAT, 0o644))
        return posix.rename(path, `${path}.2`, c.RENAME_EXCHANGE) === 0
      },
    ],
    [
      'exec',
      () => {
        copyFileSync('/bin/true', `${path}.exec`)
        chmodSync(`${path}.exec`, 0o755)
        return spawnSync(`${path}.exec`).status === 0
      },
    ],
  ]
  for (const [capability, works] of tries) if (works()) found.add(capability)
  posix.close(fd)
  for (const suffix of ['', '.2', '.device', '.exec']) posix.unlink(path + suffix)
  return found
}

function closeIf(fd: number): boolean {
  return fd >= 0 && posix.close(fd) === 0
}

/** Whether processes of other users can be started and can enter the directory; a reason where they cannot. */
export async function probeUsers(
  directories: string[],
  startOther: () => Promise<Peer>,
): Promise<string | undefined> {
  if (process.geteuid?.() !== 0) return 'only the superuser can act as other users'
  const { sys } = await startOther()
  for (const directory of directories) {
    if ((await sys.access(directory, c.X_OK)) < 0)
      return `another user cannot enter ${directory}: its parents' modes, or a mount without allow_other`
  }
  return undefined
}
