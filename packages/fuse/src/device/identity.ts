import { readFileSync, readlinkSync } from 'node:fs'
import { resolve } from 'node:path'
import { checked, FilesystemError } from '../errors.js'
import { constants, errno, native, sys } from '../native.js'
import { findMount, type MountEntry, readMounts } from './mountinfo.js'
import { cString, ownThread } from './system.js'

// statx(2), linux/stat.h
const STATX_MNT_ID = 0x1000
const STATX_MNT_ID_UNIQUE = 0x4000
const AT_STATX_DONT_SYNC = 0x4000
const STATX_SIZE = 256
const MASK = 0
const MODE = 28
const RDEV_MAJOR = 128
const DEV_MAJOR = 136
const MNT_ID = 144

/** What statx(2) tells of a descriptor without asking the file system, be it dead or hung. */
export interface Identity {
  /** S_IFMT bits. */
  type: number
  /** Of the device file, where it is one. */
  rdevMajor: number
  rdevMinor: number
  /** Of the file system. */
  major: number
  minor: number
  /** The mount's id as mountinfo has it; reused. */
  mountId: number
  /** Never reused; undefined before Linux 6.8. */
  uniqueId: bigint | undefined
}

/**
 * Identifies an open file and its mount. An empty mask with AT_STATX_DONT_SYNC makes FUSE answer from what the kernel holds.
 * @throws FilesystemError
 */
export async function identify(fd: number): Promise<Identity> {
  const path = cString('')
  const statx = Buffer.alloc(STATX_SIZE)
  const ask = async (mask: number) => {
    const flags = constants.AT_EMPTY_PATH | AT_STATX_DONT_SYNC
    const addresses = [native.address(path), flags, mask, native.address(statx)]
    checked(await ownThread([path, statx], sys.statx, fd, ...addresses))
  }
  await ask(STATX_MNT_ID)
  const told = (readU32(statx, MASK) & STATX_MNT_ID) !== 0
  const mountId = told ? Number(readU64(statx, MNT_ID)) : mountIdFromProc(fd)
  await ask(STATX_MNT_ID_UNIQUE)
  const unique = (readU32(statx, MASK) & STATX_MNT_ID_UNIQUE) !== 0
  return {
    type: readU16(statx, MODE) & constants.S_IFMT,
    rdevMajor: readU32(statx, RDEV_MAJOR),
    rdevMinor: readU32(statx, RDEV_MAJOR + 4),
    major: readU32(statx, DEV_MAJOR),
    minor: readU32(statx, DEV_MAJOR + 4),
    mountId,
    uniqueId: unique ? readU64(statx, MNT_ID) : undefined,
  }
}

/** The mount's id as /proc tells it (proc_pid_fdinfo(5)): before Linux 5.8, statx(2) does not. It asks no file system. */
export function mountIdFromProc(fd: number): number {
  return Number(/^mnt_id:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1])
}

// The kernel writes in this machine's byte order.
function readU16(bytes: Buffer, at: number): number {
  return new Uint16Array(bytes.buffer, bytes.byteOffset + at, 1)[0]
}
function readU32(bytes: Buffer, at: number): number {
  return new Uint32Array(bytes.buffer, bytes.byteOffset + at, 1)[0]
}
function readU64(bytes: Buffer, at: number): bigint {
  return new BigUint64Array(bytes.buffer, bytes.byteOffset + at, 1)[0]
}

export function sameMount(a: Identity, b: Identity): boolean {
  if (a.major !== b.major || a.minor !== b.minor || a.mountId !== b.mountId) return false
  return a.uniqueId === b.uniqueId
}

/** Asks for a descriptor's whole attributes, from the server itself, in a thread of its own. Resolves to the S_IFMT bits. */
export async function statFromServer(fd: number): Promise<number> {
  const AT_STATX_FORCE_SYNC = 0x2000
  const STATX_BASIC_STATS = 0x7ff
  const path = cString('')
  const statx = Buffer.alloc(STATX_SIZE)
  const flags = constants.AT_EMPTY_PATH | AT_STATX_FORCE_SYNC
  const addresses = [native.address(path), flags, STATX_BASIC_STATS, native.address(statx)]
  checked(await ownThread([path, statx], sys.statx, fd, ...addresses))
  return readU16(statx, MODE) & constants.S_IFMT
}

export interface Located {
  /** Absolute, without symbolic links. */
  path: string
  identity: Identity
}

/**
 * Resolves a path and identifies what is there. Opened with O_PATH, the root of a FUSE mount is not asked anything; its
 * parents are walked through, so this runs off the event loop.
 * @throws FilesystemError as open(2)
 */
export async function locate(path: string): Promise<Located> {
  const absolute = resolve(path)
  const name = cString(absolute)
  const flags = constants.O_PATH | constants.O_CLOEXEC
  const fd = checked(await ownThread(name, sys.openat, constants.AT_FDCWD, native.address(name), flags, 0))
  try {
    return { path: readlinkSync(`/proc/self/fd/${fd}`), identity: await identify(fd) }
  } finally {
    await closeOffLoop(fd)
  }
}

/**
 * The mount at `path`, links followed; undefined where none is. A path that mountinfo lists is not touched at all.
 */
export async function locateMount(path: string): Promise<MountEntry | undefined> {
  const listed = findMount(path)
  if (listed) return listed
  try {
    const { path: resolved, identity } = await locate(path)
    return readMounts().find((entry) => entry.id === identity.mountId && entry.mountPoint === resolved)
  } catch (error) {
    if (error instanceof FilesystemError && [errno.ENOENT, errno.ENOTDIR].includes(error.errno)) {
      return undefined
    }
    throw error
  }
}

/** Closes a descriptor that may be the last one of a mount: destroying a file system can take time. */
export async function closeOffLoop(fd: number): Promise<void> {
  await ownThread(undefined, sys.close, fd)
}
