import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { basename, join } from 'node:path'
import { isUnder } from './paths.js'

export interface MountUser {
  pid: number
  name: string
}

/** Processes with a working directory, a root or an open file under a mount point, as far as we may see. */
export function findUsers(mountpoint: string): MountUser[] {
  return processes((folder) => {
    // The links are text that the kernel makes: reading them asks no file system.
    const links = ['cwd', 'root', ...list(join(folder, 'fd')).map((fd) => `fd/${fd}`)]
    return links.some((link) => isUnder(linkOf(join(folder, link)), mountpoint))
  })
}

/** Processes of other mount namespaces that have a file system mounted, as far as we may see. */
export function findHolders(connection: number): MountUser[] {
  const device = `${connection >>> 20}:${connection & 0xfffff}`
  const own = linkOf('/proc/self/ns/mnt')
  const known = new Map([
    ['', false],
    [own, false],
  ])
  return processes((folder) => {
    const namespace = linkOf(join(folder, 'ns/mnt'))
    const holds = known.get(namespace) ?? mountsOf(folder).some((line) => line.split(' ')[2] === device)
    known.set(namespace, holds)
    return holds
  })
}

/** "123 (sleep), 456 (tail) and 7 more". */
export function nameUsers(users: readonly MountUser[]): string {
  const some = users.slice(0, 4).map(({ pid, name }) => `${pid} (${name})`)
  const more = users.length > some.length ? ` and ${users.length - some.length} more` : ''
  return `${some.join(', ')}${more}`
}

function processes(matches: (folder: string) => boolean): MountUser[] {
  const folders = list('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => join('/proc', pid))
  return folders.filter(matches).map((folder) => ({ pid: Number(basename(folder)), name: commandOf(folder) }))
}

function mountsOf(folder: string): string[] {
  try {
    return readFileSync(join(folder, 'mountinfo'), 'latin1').split('\n')
  } catch {
    return []
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** Empty where we may not see it. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

function commandOf(folder: string): string {
  try {
    return readFileSync(join(folder, 'comm'), 'utf8').trim()
  } catch {
    return '?'
  }
}
