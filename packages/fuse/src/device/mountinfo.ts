import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { decodeName } from '../protocol/text.js'

/** One mount of this mount namespace, from a line of /proc/self/mountinfo (proc_pid_mountinfo(5)). */
export interface MountEntry {
  /** Reused by the kernel after an unmount. */
  id: number
  parentId: number
  major: number
  /** For FUSE (major 0) this is the connection's number. */
  minor: number
  /** The directory of the file system that is this mount's root. */
  root: string
  mountPoint: string
  /** Of the mount, such as 'nosuid'. */
  options: string[]
  /** Such as 'fuse.hawser'. */
  type: string
  source: string
  /** Of the file system, such as 'user_id=0'. */
  superOptions: string[]
}

/** Parses mountinfo. Blanks, tabs, newlines, backslashes and '#' arrive as octal escapes; names may be no UTF-8. */
export function parseMounts(text: Uint8Array): MountEntry[] {
  // Latin-1 keeps every byte; fields are decoded after they are split.
  const lines = Buffer.from(text.buffer, text.byteOffset, text.length).toString('latin1').split('\n')
  return lines.filter((line) => line !== '').map(parseLine)
}

function parseLine(line: string): MountEntry {
  const fields = line.split(' ')
  // Optional fields (shared:N, master:N, …) end with a lone hyphen.
  const hyphen = fields.indexOf('-', 6)
  const [major, minor] = fields[2].split(':')
  return {
    id: Number(fields[0]),
    parentId: Number(fields[1]),
    major: Number(major),
    minor: Number(minor),
    root: unescapeField(fields[3]),
    mountPoint: unescapeField(fields[4]),
    options: fields[5].split(','),
    type: unescapeField(fields[hyphen + 1]),
    source: unescapeField(fields[hyphen + 2] ?? ''),
    superOptions: (fields[hyphen + 3] ?? '').split(',').map(unescapeField),
  }
}

function unescapeField(field: string): string {
  const bytes = field.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  )
  return decodeName(Buffer.from(bytes, 'latin1'))
}

/** The mounts of this process's mount namespace, oldest first. Asks no file system, so it cannot wait for one. */
export function readMounts(): MountEntry[] {
  return parseMounts(readFileSync('/proc/self/mountinfo'))
}

/**
 * The topmost mount whose mount point is `path`, compared as text: neither the path nor a symbolic link in it is touched
 * (`locateMount` follows links).
 */
export function findMount(path: string, mounts: MountEntry[] = readMounts()): MountEntry | undefined {
  const absolute = resolve(path)
  return mounts.findLast((entry) => entry.mountPoint === absolute)
}

/** Whether a mount is served over FUSE (types fuse, fuseblk and their subtypes). */
export function isFuse(entry: MountEntry): boolean {
  return /^fuse(blk)?(\.|$)/.test(entry.type)
}

/** The number of a FUSE mount's connection, its directory in fusectl: the file system's dev_t as the kernel packs it. */
export function connectionOf(entry: Pick<MountEntry, 'major' | 'minor'>): number {
  return entry.major * 0x100000 + entry.minor
}
