import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { isUnder } from './paths.js'

export interface MountUser {
  pid: number
  name: string
}

/** Processes with a working directory, a root or an open file under a mount point, as far as we may see. */
export function findUsers(mountpoint: string): MountUser[] {
  const users: MountUser[] = []
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const folder = join('/proc', pid)
    // The links are text that the kernel makes: reading them asks no file system.
    const links = ['cwd', 'root', ...list(join(folder, 'fd')).map((fd) => `fd/${fd}`)]
    if (links.some((link) => refersTo(join(folder, link), mountpoint))) {
      users.push({ pid: Number(pid), name: commandOf(folder) })
    }
  }
  return users
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function refersTo(link: string, mountpoint: string): boolean {
  try {
    return isUnder(readlinkSync(link), mountpoint)
  } catch {
    return false
  }
}

function commandOf(folder: string): string {
  try {
    return readFileSync(join(folder, 'comm'), 'utf8').trim()
  } catch {
    return '?'
  }
}
