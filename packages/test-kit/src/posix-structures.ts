/** The kernel's structures as the 64-bit Linux ABI lays them out (little-endian machines). */
import { constants as c, native } from './native.js'

export interface FileStatus {
  /** Type and permission bits. */
  mode: number
  nlink: number
  uid: number
  gid: number
  ino: bigint
  size: number
  /** Of 512 bytes. */
  blocks: number
  blockSize: number
  atime: bigint
  mtime: bigint
  ctime: bigint
  /** Null where the filesystem does not say. */
  btime: bigint | null
  dev: string
  rdev: string
  attributes: bigint
}

export interface FilesystemStatus {
  type: number
  blockSize: number
  blocks: number
  blocksFree: number
  blocksAvailable: number
  files: number
  filesFree: number
  nameLength: number
  fragmentSize: number
  flags: number
}

export interface DirectoryEntry {
  ino: bigint
  /** The position after this entry: opaque, all 64 bits. */
  offset: bigint
  /** DT_*: the type bits of the mode shifted right by 12, 0 when unknown. */
  type: number
  name: Buffer
}

export interface Lock {
  type: number
  whence: number
  start: bigint
  length: bigint
  pid: number
}

function time(buffer: Buffer, at: number): bigint {
  return buffer.readBigInt64LE(at) * 1_000_000_000n + BigInt(buffer.readUInt32LE(at + 8))
}

export function parseStatx(buffer: Buffer): FileStatus {
  return {
    mode: buffer.readUInt16LE(28),
    nlink: buffer.readUInt32LE(16),
    uid: buffer.readUInt32LE(20),
    gid: buffer.readUInt32LE(24),
    ino: buffer.readBigUInt64LE(32),
    size: Number(buffer.readBigInt64LE(40)),
    blocks: Number(buffer.readBigUInt64LE(48)),
    blockSize: buffer.readUInt32LE(4),
    atime: time(buffer, 64),
    mtime: time(buffer, 112),
    ctime: time(buffer, 96),
    btime: buffer.readUInt32LE(0) & c.STATX_BTIME ? time(buffer, 80) : null,
    dev: `${buffer.readUInt32LE(136)}:${buffer.readUInt32LE(140)}`,
    rdev: `${buffer.readUInt32LE(128)}:${buffer.readUInt32LE(132)}`,
    attributes: buffer.readBigUInt64LE(8),
  }
}

export function parseStatfs(buffer: Buffer): FilesystemStatus {
  const field = (index: number) => Number(buffer.readBigInt64LE(index * 8))
  return {
    type: field(0),
    blockSize: field(1),
    blocks: field(2),
    blocksFree: field(3),
    blocksAvailable: field(4),
    files: field(5),
    filesFree: field(6),
    nameLength: field(8),
    fragmentSize: field(9),
    flags: field(10),
  }
}

export function parseEntries(buffer: Buffer): DirectoryEntry[] {
  const entries: DirectoryEntry[] = []
  for (let at = 0; at < buffer.length; at += buffer.readUInt16LE(at + 16)) {
    const end = buffer.indexOf(0, at + 19)
    entries.push({
      ino: buffer.readBigUInt64LE(at),
      offset: buffer.readBigInt64LE(at + 8),
      type: buffer.readUInt8(at + 18),
      name: Buffer.from(buffer.subarray(at + 19, end)),
    })
  }
  return entries
}

export function parseNames(buffer: Buffer): string[] {
  return buffer.toString('latin1').split('\0').slice(0, -1).sort()
}

export function serializeLock(
  type: number,
  whence: number,
  start: number | bigint,
  length: number | bigint,
): Buffer {
  const buffer = Buffer.alloc(32)
  buffer.writeInt16LE(type, 0)
  buffer.writeInt16LE(whence, 2)
  buffer.writeBigInt64LE(BigInt(start), 8)
  buffer.writeBigInt64LE(BigInt(length), 16)
  return buffer
}

export function parseLock(buffer: Buffer): Lock {
  return {
    type: buffer.readInt16LE(0),
    whence: buffer.readInt16LE(2),
    start: buffer.readBigInt64LE(8),
    length: buffer.readBigInt64LE(16),
    pid: buffer.readInt32LE(24),
  }
}

export function serializeTimes(...times: (bigint | 'now' | 'omit')[]): Buffer {
  const buffer = Buffer.alloc(16 * times.length)
  times.forEach((time, index) => {
    let seconds = 0n
    let nanoseconds: bigint
    if (time === 'now') nanoseconds = BigInt(c.UTIME_NOW)
    else if (time === 'omit') nanoseconds = BigInt(c.UTIME_OMIT)
    else {
      // Times before 1970: whole seconds round down, and the nanoseconds count up from there.
      nanoseconds = ((time % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n
      seconds = (time - nanoseconds) / 1_000_000_000n
    }
    buffer.writeBigInt64LE(seconds, index * 16)
    buffer.writeBigInt64LE(nanoseconds, index * 16 + 8)
  })
  return buffer
}

/** A buffer whose memory starts at a multiple of 4096, as O_DIRECT may demand. */
export function alignedBuffer(size: number): Buffer {
  const buffer = Buffer.allocUnsafeSlow(size + 4096)
  const start = (4096 - (native.address(buffer) % 4096)) % 4096
  return buffer.subarray(start, start + size).fill(0)
}
