/** What cases say about results that are a value, or minus errno. */
import { AssertionError } from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { constants as c, errnoName } from './native.js'
import * as posix from './posix.js'
import type { FileStatus } from './posix-structures.js'

/** The result of a call that must succeed. */
export function ok(result: number): number
export function ok<T extends object>(result: T | number): T
export function ok<T extends object>(result: T | number): T | number {
  if (typeof result === 'number' && result < 0) {
    throw new AssertionError({ message: `expected success, got ${errnoName(result)}`, stackStartFn: ok })
  }
  return result
}

/** A call that must fail, with one of these errnos. */
export function fails(result: unknown, ...names: string[]): void {
  if (typeof result === 'number' && result < 0 && names.includes(errnoName(result))) return
  const got = typeof result === 'number' && result < 0 ? errnoName(result) : 'success'
  throw new AssertionError({ message: `expected ${names.join(' or ')}, got ${got}`, stackStartFn: fails })
}

/** 'ok', or the name of the errno: what two filesystems are compared by. */
export function outcome(result: unknown): string {
  return typeof result === 'number' && result < 0 ? errnoName(result) : 'ok'
}

/** A new file with this content; its permission bits are exactly `mode`. */
export function create(path: posix.Path, content: string | Buffer = '', mode = 0o644): void {
  const fd = ok(posix.open(path, c.O_WRONLY | c.O_CREAT | c.O_TRUNC, 0o600))
  try {
    for (let rest = Buffer.from(content as string); rest.length > 0; ) {
      rest = rest.subarray(ok(posix.write(fd, rest)))
    }
    ok(posix.fchmod(fd, mode))
  } finally {
    ok(posix.close(fd))
  }
}

/** A new directory whose permission bits are exactly `mode`. */
export function directory(path: posix.Path, mode = 0o755): void {
  ok(posix.mkdir(path, 0o700))
  ok(posix.chmod(path, mode))
}

export function content(path: posix.Path): Buffer {
  const fd = ok(posix.open(path, c.O_RDONLY))
  try {
    return contentOf(fd)
  } finally {
    posix.close(fd)
  }
}

/** The whole file behind a descriptor, read with pread. */
export function contentOf(fd: number): Buffer {
  const parts: Buffer[] = []
  // Most files are small, and memory for a large piece is cleared each time.
  for (let at = 0, size = 4096; ; ) {
    const part = ok(posix.pread(fd, size, at))
    if (part.length === 0) return Buffer.concat(parts)
    parts.push(part)
    at += part.length
    if (part.length === size) size = 131072
  }
}

/** Stands for bytes in comparisons whose difference would fill the screen. */
export function digest(bytes: Buffer): string {
  return `${bytes.length} bytes ${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}`
}

export function text(path: posix.Path): string {
  return content(path).toString('latin1')
}

/** lstat that must succeed. */
export function status(path: posix.Path): FileStatus {
  return ok(posix.lstat(path))
}

export function permissions(path: posix.Path): number {
  return status(path).mode & 0o7777
}

/** Long enough for the next timestamp to differ whatever the kernel's tick is. */
export function tick(): Promise<void> {
  return sleep(25)
}

/** Bytes that differ from one offset to the next and from one seed to the next. */
export function pattern(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length)
  for (let i = 0, x = (seed * 2654435761) >>> 0 || 1; i < length; i++) {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    bytes[i] = x
  }
  return bytes
}

/** Runs `use` with an open descriptor and closes it. */
export async function withFile<T>(
  path: posix.Path,
  flags: number,
  use: (fd: number) => T | Promise<T>,
  mode = 0o644,
): Promise<T> {
  const fd = ok(posix.open(path, flags, mode))
  try {
    return await use(fd)
  } finally {
    posix.close(fd)
  }
}
