/** What another process can be asked to do: every system call of posix.ts, and loops that must not wait for messages. */
import { readdirSync, readlinkSync } from 'node:fs'
import { constants as c } from './native.js'
import * as posix from './posix.js'

/** Appends numbered records of one length; the file is opened once for all. */
function appendRecords(path: string, writer: number, count: number, length: number): number {
  const fd = posix.open(path, c.O_WRONLY | c.O_APPEND)
  if (fd < 0) return fd
  for (let i = 0; i < count; i++) {
    const record = `${writer}:${i}:`.padEnd(length - 1, String.fromCharCode(97 + (writer % 26)))
    const written = posix.write(fd, `${record}\n`)
    if (written !== length) return written < 0 ? written : -c.EIO
  }
  return posix.close(fd)
}

/** Counts how often this process creates the file first; others do the same at once. */
function createExclusively(directory: string, count: number): number {
  let won = 0
  for (let i = 0; i < count; i++) {
    const fd = posix.open(`${directory}/${i}`, c.O_WRONLY | c.O_CREAT | c.O_EXCL, 0o644)
    if (fd >= 0) {
      won++
      posix.close(fd)
    } else if (fd !== -c.EEXIST) return fd
  }
  return won
}

/** Adds one to the number in a file, `count` times, each under an exclusive lock. */
function incrementUnderLock(path: string, kind: 'posix' | 'ofd' | 'flock', count: number): number {
  for (let i = 0; i < count; i++) {
    const fd = posix.open(path, c.O_RDWR)
    if (fd < 0) return fd
    const locked =
      kind === 'flock'
        ? posix.flock(fd, c.LOCK_EX)
        : posix.setLock(fd, kind === 'posix' ? c.F_SETLKW : c.F_OFD_SETLKW, c.F_WRLCK, 0, 0)
    if (locked < 0) return locked
    const before = posix.pread(fd, 16, 0)
    if (typeof before === 'number') return before
    const written = posix.pwrite(fd, String(Number(before.toString()) + 1).padStart(16, '0'), 0)
    if (written < 0) return written
    posix.close(fd)
  }
  return count
}

/** Replaces a file by rename, `count` times. */
function replaceByRename(directory: string, name: string, count: number, length: number): number {
  for (let i = 0; i < count; i++) {
    const fd = posix.open(`${directory}/${name}.new`, c.O_WRONLY | c.O_CREAT | c.O_TRUNC, 0o644)
    if (fd < 0) return fd
    const written = posix.write(fd, Buffer.alloc(length, 97 + (i % 26)))
    posix.close(fd)
    if (written < 0) return written
    const renamed = posix.rename(`${directory}/${name}.new`, `${directory}/${name}`)
    if (renamed < 0) return renamed
  }
  return count
}

/** Closes what a failed case left open below these directories. */
function closeBelow(...directories: string[]): number {
  let closed = 0
  for (const entry of readdirSync('/proc/self/fd')) {
    let target: string
    try {
      target = readlinkSync(`/proc/self/fd/${entry}`)
    } catch {
      continue
    }
    if (directories.some((directory) => target.startsWith(directory)) && posix.close(Number(entry)) === 0)
      closed++
  }
  posix.umask(0o022)
  posix.chdir('/')
  return closed
}

export const methods = {
  ...posix,
  appendRecords,
  createExclusively,
  incrementUnderLock,
  replaceByRename,
  closeBelow,
  ping: () => process.pid,
}
export type PeerMethods = typeof methods
