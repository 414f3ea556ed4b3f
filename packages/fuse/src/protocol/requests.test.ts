// Requests laid out by a C compiler from the uapi header's structures (not recorded): every field is decoded as it was set.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Opcode, SetattrValid } from './constants.js'
import { type Fields, type Frame, halves, made, messageOf, same } from './frames.test.util.js'
import { decodeInit } from './init.js'
import type { Message } from './message.js'
import * as r from './requests.js'
import { encodeName } from './text.js'
import { validateRequest } from './validate.js'

type Decoded = Record<string, unknown>
interface Decoder {
  decode(message: Message, variant: string): Decoded
  /** Fields of the frame that have no getter. */
  unread?: string[]
}

const nothing: Decoder = { decode: () => ({}) }
const name: Decoder = { decode: (m) => ({ name: new r.NameRequest(m).name.bytes }) }
const open: Decoder = {
  decode: (m) => {
    const q = new r.OpenRequest(m)
    return { flags: q.flags, 'open_flags&1': q.killSetId }
  },
}
const create: Decoder = {
  decode: (m) => {
    const q = new r.CreateRequest(m)
    return {
      flags: q.flags,
      mode: q.mode,
      umask: q.umask,
      'open_flags&1': q.killSetId,
      name: q.name.bytes,
    }
  },
}
const readdir: Decoder = {
  decode: (m) => {
    const q = new r.ReaddirRequest(m)
    return { fh: q.fh, offset: halves(q.offsetLow, q.offsetHigh), size: q.size }
  },
  unread: ['read_flags', 'lock_owner', 'flags'],
}
const release: Decoder = {
  decode: (m) => {
    const q = new r.ReleaseRequest(m)
    return {
      fh: q.fh,
      flags: q.flags,
      'release_flags&2': q.releaseFlockLock,
      lock_owner: halves(q.lockOwnerLow, q.lockOwnerHigh),
    }
  },
}
const fsync: Decoder = {
  decode: (m) => {
    const q = new r.FsyncRequest(m)
    return { fh: q.fh, 'fsync_flags&1': q.dataOnly }
  },
}
const lock: Decoder = {
  decode: (m) => {
    const q = new r.LockRequest(m)
    return {
      fh: q.fh,
      owner: halves(q.ownerLow, q.ownerHigh),
      'lk.start': q.start,
      'lk.end': q.end === Number.POSITIVE_INFINITY ? 0x7fffffffffffffffn : q.end,
      'lk.type': q.type,
      'lk.pid': q.lockPid,
      'lk_flags&1': q.isFlock,
    }
  },
}
const copy: Decoder = {
  decode: (m) => {
    const q = new r.CopyFileRangeRequest(m)
    return {
      fh_in: q.fh,
      off_in: q.offset,
      nodeid_out: q.outNodeId,
      fh_out: q.outFh,
      off_out: q.outOffset,
      len: q.length,
      flags: q.flags,
    }
  },
}
function seconds(time: r.SettableTime | undefined): bigint {
  assert.ok(time)
  return BigInt.asUintN(64, BigInt(time.seconds))
}

const decoders: Record<string, Decoder> = {
  READLINK: nothing,
  STATFS: nothing,
  DESTROY: nothing,
  LOOKUP: name,
  UNLINK: name,
  RMDIR: name,
  REMOVEXATTR: name,
  GETATTR: {
    decode: (m) => {
      const q = new r.GetattrRequest(m)
      return { 'getattr_flags&1': q.hasHandle, fh: q.fh }
    },
  },
  STATX: {
    decode: (m) => {
      const q = new r.StatxRequest(m)
      return { 'getattr_flags&1': q.hasHandle, fh: q.fh, sx_flags: q.statxFlags, sx_mask: q.mask }
    },
  },
  SETATTR: {
    decode: (m, variant) => {
      const q = new r.SetattrRequest(m)
      const decoded: Decoded = {
        valid: q.valid,
        fh: q.fh,
        size: q.size,
        mode: q.mode,
        uid: q.newUid,
        gid: q.newGid,
      }
      assert.equal(q.hasHandle, (q.valid & SetattrValid.FH) !== 0)
      assert.equal(q.killSetId, (q.valid & SetattrValid.KILL_SUIDGID) !== 0)
      if (variant === 'none') assert.deepEqual([q.atime, q.mtime, q.ctime], [undefined, undefined, undefined])
      else {
        assert.equal(q.atime?.now, variant === 'now')
        assert.equal(q.mtime?.now, variant === 'now')
        Object.assign(decoded, { atime: seconds(q.atime), atimensec: q.atime?.nanoseconds })
        Object.assign(decoded, { mtime: seconds(q.mtime), mtimensec: q.mtime?.nanoseconds })
        if (variant === 'now') assert.equal(q.ctime, undefined)
        else Object.assign(decoded, { ctime: seconds(q.ctime), ctimensec: q.ctime?.nanoseconds })
      }
      return decoded
    },
    unread: [
      ...['lock_owner', 'unused4', 'unused5'],
      ...['atime', 'mtime', 'ctime', 'atimensec', 'mtimensec', 'ctimensec'], // where not valid
    ],
  },
  SYMLINK: {
    decode: (m) => {
      const q = new r.SymlinkRequest(m)
      // In the order in which a handler that wants both may ask.
      const { bytes: target } = q.target
      return { name: q.name.bytes, target }
    },
  },
  MKNOD: {
    decode: (m) => {
      const q = new r.MknodRequest(m)
      return { mode: q.mode, rdev: q.rdev, umask: q.umask, name: q.name.bytes }
    },
  },
  MKDIR: {
    decode: (m) => {
      const q = new r.MkdirRequest(m)
      return { mode: q.mode, umask: q.umask, name: q.name.bytes }
    },
  },
  RENAME: {
    decode: (m) => {
      const q = new r.RenameRequest(m, 8)
      assert.equal(q.flags, 0)
      return { newdir: q.newParent, name: q.name.bytes, newName: q.newName.bytes }
    },
  },
  RENAME2: {
    decode: (m) => {
      const q = new r.RenameRequest(m, 16)
      return { newdir: q.newParent, flags: q.flags, name: q.name.bytes, newName: q.newName.bytes }
    },
  },
  LINK: {
    decode: (m) => {
      const q = new r.LinkRequest(m)
      return { oldnodeid: q.target, name: q.name.bytes }
    },
  },
  OPEN: open,
  OPENDIR: open,
  CREATE: create,
  TMPFILE: create,
  READ: {
    decode: (m) => {
      const q = new r.ReadRequest(m)
      return {
        fh: q.fh,
        offset: q.offset,
        size: q.size,
        lock_owner: halves(q.lockOwnerLow, q.lockOwnerHigh),
        flags: q.flags,
      }
    },
    unread: ['read_flags'],
  },
  READDIR: readdir,
  READDIRPLUS: readdir,
  WRITE: {
    decode: (m) => {
      const q = new r.WriteRequest(m)
      assert.equal(q.dataAddress % 4096, 0)
      return {
        fh: q.fh,
        offset: q.offset,
        size: q.size,
        'write_flags&1': q.fromCache,
        'write_flags&4': q.killSetId,
        lock_owner: halves(q.lockOwnerLow, q.lockOwnerHigh),
        flags: q.flags,
        data: q.data,
      }
    },
  },
  RELEASE: release,
  RELEASEDIR: release,
  FLUSH: {
    decode: (m) => {
      const q = new r.FlushRequest(m)
      return { fh: q.fh, lock_owner: halves(q.lockOwnerLow, q.lockOwnerHigh) }
    },
    unread: ['unused', 'padding'],
  },
  FSYNC: fsync,
  FSYNCDIR: fsync,
  SETXATTR: {
    decode: (m, variant) => {
      const q = new r.SetxattrRequest(m, variant !== 'short')
      const decoded: Decoded = { size: q.size, flags: q.flags, name: q.name.bytes, value: q.value }
      if (variant === 'short') assert.equal(q.killSetGid, false)
      else decoded['setxattr_flags&1'] = q.killSetGid
      return decoded
    },
  },
  GETXATTR: {
    decode: (m) => {
      const q = new r.GetxattrRequest(m)
      return { size: q.size, name: q.name.bytes }
    },
  },
  LISTXATTR: { decode: (m) => ({ size: new r.ListxattrRequest(m).size }) },
  GETLK: lock,
  SETLK: lock,
  SETLKW: lock,
  ACCESS: { decode: (m) => ({ mask: new r.AccessRequest(m).mask }) },
  BMAP: {
    decode: (m) => {
      const q = new r.BmapRequest(m)
      return { block: q.block, blocksize: q.blockSize }
    },
  },
  IOCTL: {
    decode: (m) => {
      const q = new r.IoctlRequest(m)
      return {
        fh: q.fh,
        flags: q.flags,
        cmd: q.command,
        arg: halves(q.argumentLow, q.argumentHigh),
        in_size: q.data.length,
        out_size: q.outputSize,
        data: q.data,
      }
    },
  },
  POLL: {
    decode: (m) => {
      const q = new r.PollRequest(m)
      return { fh: q.fh, kh: q.pollHandle, 'flags&1': q.wantsNotification, events: q.events }
    },
  },
  FALLOCATE: {
    decode: (m) => {
      const q = new r.FallocateRequest(m)
      return { fh: q.fh, offset: q.offset, length: q.length, mode: q.mode }
    },
  },
  LSEEK: {
    decode: (m) => {
      const q = new r.LseekRequest(m)
      return { fh: q.fh, offset: q.offset, whence: q.whence }
    },
  },
  COPY_FILE_RANGE: copy,
  COPY_FILE_RANGE_64: copy,
  SYNCFS: { ...nothing, unread: ['padding'] },
  INIT: {
    decode: (m, variant) => {
      const q = decodeInit(m)
      const decoded: Decoded = {
        major: q.major,
        minor: q.minor,
        max_readahead: q.maxReadahead,
        flags: q.flags,
      }
      if (variant === '64 bytes') decoded.flags2 = q.flags2
      else assert.equal(q.flags2, 0)
      return decoded
    },
    unread: ['flags2'],
  },
}
/** Served by the session from the message's words; tested with it. */
const session = new Set(['FORGET', 'BATCH_FORGET', 'INTERRUPT', 'NOTIFY_REPLY'])

const frames = made().frames.filter((frame) => frame.kind === 'request')

function header(message: Message, { header, operation }: Frame): void {
  const q = new r.Request(message)
  same(
    {
      opcode: q.opcode,
      unique: message.outputBytes.readBigUInt64LE(8), // as the reply carries it
      nodeid: q.nodeId,
      uid: q.uid,
      gid: q.gid,
      pid: q.pid,
    },
    header as Fields,
  )
  assert.equal(q.opcode, Opcode[operation as keyof typeof Opcode])
}

for (const frame of frames) {
  if (frame.extensions) continue
  test(`${frame.operation}${frame.variant && `, ${frame.variant}`}`, () => {
    const message = messageOf(frame.hex)
    assert.equal(validateRequest(message, frame.variant !== 'short'), undefined)
    header(message, frame)
    if (session.has(frame.operation)) return
    const { decode, unread } = decoders[frame.operation]
    same(decode(message, frame.variant), frame.fields, unread)
  })
}

test('there is a frame for every operation', () => {
  const seen = new Set(frames.map((frame) => frame.operation))
  assert.deepEqual(
    Object.keys(Opcode).filter((operation) => !seen.has(operation)),
    [],
  )
})

test('names as text give the same bytes back', () => {
  for (const frame of frames)
    if (frame.operation === 'LOOKUP') {
      const { name } = new r.NameRequest(messageOf(frame.hex))
      assert.equal(encodeName(name.toString()).toString('hex'), frame.fields.name)
      assert.equal(name.length, frame.fields.name.length / 2)
    }
})
