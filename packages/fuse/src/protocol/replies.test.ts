// Replies against bytes laid out by a C compiler from the uapi header's structures (not recorded).
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errno } from '../native.js'
import { type Fields, type Frame, made, number, replyTo, sent, signed } from './frames.test.util.js'
import { encodeInit } from './init.js'
import { Message, PAYLOAD } from './message.js'
import * as r from './replies.js'
import { encodeName } from './text.js'

/** Seconds with a fraction, as handlers give timeouts. */
function timeout(seconds: string, nanoseconds: string): number {
  return number(seconds) + number(nanoseconds) / 1e9
}

function setAttributes(attr: r.Attributes, f: Fields): void {
  attr.set({
    ino: number(f.ino),
    size: number(f.size),
    blocks: number(f.blocks),
    atime: { seconds: signed(f.atime), nanoseconds: number(f.atimensec) },
    mtime: { seconds: signed(f.mtime), nanoseconds: number(f.mtimensec) },
    ctime: { seconds: signed(f.ctime), nanoseconds: number(f.ctimensec) },
    mode: number(f.mode),
    nlink: number(f.nlink),
    uid: number(f.uid),
    gid: number(f.gid),
    rdev: number(f.rdev),
    blksize: number(f.blksize),
  })
  assert.deepEqual(
    [attr.ino, attr.size, attr.mode, attr.nlink, attr.uid, attr.gid],
    [f.ino, f.size, f.mode, f.nlink, f.uid, f.gid].map(number),
  )
}

function setEntry(reply: r.EntryReply | r.DirectoryEntryFields, f: Fields): void {
  reply.nodeId = number(f.nodeid)
  reply.generation = number(f.generation)
  reply.entryTimeout = timeout(f.entry_valid, f.entry_valid_nsec)
  reply.attrTimeout = timeout(f.attr_valid, f.attr_valid_nsec)
  setAttributes(reply.attr, f)
}

/** The same, field by field. */
function setEach(attr: r.Attributes, f: Fields): void {
  const time = (name: string) => ({ seconds: signed(f[name]), nanoseconds: number(f[`${name}nsec`]) })
  Object.assign(attr, { ino: number(f.ino), size: number(f.size), blocks: number(f.blocks) })
  Object.assign(attr, { atime: time('atime'), mtime: time('mtime'), ctime: time('ctime') })
  Object.assign(attr, {
    mode: number(f.mode),
    nlink: number(f.nlink),
    uid: number(f.uid),
    gid: number(f.gid),
  })
  Object.assign(attr, { rdev: number(f.rdev), blksize: number(f.blksize) })
}

interface Encoder {
  size: number
  encode(message: Message, fields: Fields, frame: Frame): void
}

const encoders: Record<string, Encoder> = {
  EMPTY: { size: 0, encode: () => {} },
  ERROR: { size: 128, encode: (m, f) => new r.Reply(m).fail(number(f.error)) },
  ENTRY: {
    size: r.EntryReply.size,
    encode: (m, f, { variant }) => {
      const reply = new r.EntryReply(m)
      if (variant === 'negative') reply.negative(timeout(f.entry_valid, f.entry_valid_nsec))
      else {
        setEntry(reply, f)
        assert.equal(reply.nodeId, number(f.nodeid))
      }
    },
  },
  ATTR: {
    size: r.AttrReply.size,
    encode: (m, f) => {
      const reply = new r.AttrReply(m)
      reply.attrTimeout = timeout(f.attr_valid, f.attr_valid_nsec)
      setAttributes(reply.attr, f)
    },
  },
  OPEN: {
    size: r.OpenReply.size,
    encode: (m, f) => {
      const reply = new r.OpenReply(m)
      reply.fh = number(f.fh)
      reply.flags = number(f.open_flags)
      reply.backingId = number(f.backing_id)
      assert.deepEqual([reply.fh, reply.flags], [number(f.fh), number(f.open_flags)])
    },
  },
  CREATE: {
    size: r.CreateReply.size,
    encode: (m, f) => {
      const reply = new r.CreateReply(m)
      setEntry(reply.entry, f)
      reply.fh = number(f.fh)
      reply.flags = number(f.open_flags)
      reply.backingId = number(f.backing_id)
    },
  },
  WRITE: {
    size: r.WriteReply.size,
    encode: (m, f) => {
      new r.WriteReply(m).size = number(f.size)
    },
  },
  COPY_FILE_RANGE_64: {
    size: r.CopyReply.size,
    encode: (m, f) => {
      new r.CopyReply(m).copied = number(f.bytes_copied)
    },
  },
  STATFS: {
    size: r.StatfsReply.size,
    encode: (m, f) => {
      new r.StatfsReply(m).set({
        blocks: number(f.blocks),
        bfree: number(f.bfree),
        bavail: number(f.bavail),
        files: number(f.files),
        ffree: number(f.ffree),
        bsize: number(f.bsize),
        namelen: number(f.namelen),
        frsize: number(f.frsize),
      })
    },
  },
  XATTR: {
    size: 0,
    encode: (m, f) => {
      m.input[10] = 0 // the size alone is asked for
      assert.equal(new r.XattrReply(m).size(number(f.size)), false)
    },
  },
  BYTES: {
    size: 0,
    encode: (m, f) => new r.BytesReply(m).data(Buffer.from(f.data, 'hex')),
  },
  LOCK: {
    size: r.LockReply.size,
    encode: (m, f, { variant }) =>
      new r.LockReply(m).set({
        start: number(f.start),
        end: variant === 'to the end' ? Number.POSITIVE_INFINITY : number(f.end),
        type: number(f.type),
        pid: number(f.pid),
      }),
  },
  LSEEK: {
    size: r.LseekReply.size,
    encode: (m, f) => {
      new r.LseekReply(m).offset = number(f.offset)
    },
  },
  BMAP: {
    size: r.BmapReply.size,
    encode: (m, f) => {
      new r.BmapReply(m).block = number(f.block)
    },
  },
  POLL: {
    size: r.PollReply.size,
    encode: (m, f) => {
      new r.PollReply(m).events = number(f.revents)
    },
  },
  IOCTL: {
    size: r.IoctlReply.size,
    encode: (m, f) => {
      const reply = new r.IoctlReply(m)
      reply.result = number(f.result) | 0
      reply.data(Buffer.from(f.data, 'hex'))
    },
  },
  STATX: {
    size: r.StatxReply.size,
    encode: (m, f) => {
      const reply = new r.StatxReply(m)
      const time = (name: string) => ({
        seconds: signed(f[`${name}.tv_sec`]),
        nanoseconds: number(f[`${name}.tv_nsec`]),
      })
      reply.attrTimeout = timeout(f.attr_valid, f.attr_valid_nsec)
      reply.set({
        mask: number(f.mask),
        blksize: number(f.blksize),
        attributes: number(f.attributes),
        attributesMask: number(f.attributes_mask),
        nlink: number(f.nlink),
        uid: number(f.uid),
        gid: number(f.gid),
        mode: number(f.mode),
        ino: number(f.ino),
        size: number(f.size),
        blocks: number(f.blocks),
        atime: time('atime'),
        btime: time('btime'),
        ctime: time('ctime'),
        mtime: time('mtime'),
        rdevMajor: number(f.rdev_major),
        rdevMinor: number(f.rdev_minor),
        devMajor: number(f.dev_major),
        devMinor: number(f.dev_minor),
      })
    },
  },
  INIT: {
    size: 0,
    encode: (m, f) =>
      encodeInit(m, {
        minor: number(f.minor),
        maxReadahead: number(f.max_readahead),
        flags: number(f.flags),
        flags2: number(f.flags2),
        maxBackground: number(f.max_background),
        congestionThreshold: number(f.congestion_threshold),
        maxWrite: number(f.max_write),
        timeGranularity: number(f.time_gran),
        maxPages: number(f.max_pages),
        maxStackDepth: number(f.max_stack_depth),
        requestTimeout: number(f.request_timeout),
      }),
  },
  READDIR: {
    size: 0,
    encode: (m, _, { entry }) => {
      const listing = new r.DirectoryReply(m)
      listing.begin(4096)
      assert.ok(listing.add(directoryEntry(entry as Fields)))
    },
  },
  READDIRPLUS: {
    size: 0,
    encode: (m, f, { entry }) => {
      const listing = new r.DirectoryReply(m)
      listing.begin(4096)
      assert.ok(listing.addPlus(directoryEntry(entry as Fields), (fields) => setEntry(fields, f)))
    },
  },
}

function directoryEntry(f: Fields): r.DirectoryEntry {
  return {
    ino: number(f.ino),
    offset: number(f.off),
    type: number(f.type) << 12,
    name: Buffer.from(f.name, 'hex'),
  }
}

for (const frame of made().frames.filter(({ kind }) => kind === 'reply'))
  test(`${frame.operation}${frame.variant && `, ${frame.variant}`}`, () => {
    const { size, encode } = encoders[frame.operation]
    const message = replyTo(frame.header.unique, size)
    encode(message, frame.fields, frame)
    assert.equal(sent(message).toString('hex'), frame.hex)
    assert.equal(message.failed, frame.operation === 'ERROR')
  })

test('attributes, field by field', () => {
  const frame = made().frames.find(({ operation }) => operation === 'ATTR')
  assert.ok(frame)
  const message = replyTo(frame.header.unique, r.AttrReply.size)
  const reply = new r.AttrReply(message)
  reply.attrTimeout = timeout(frame.fields.attr_valid, frame.fields.attr_valid_nsec)
  setEach(reply.attr, frame.fields)
  assert.equal(sent(message).toString('hex'), frame.hex)
  // An inode number whose upper half tells a file system apart.
  reply.attr.inoHigh = 0x89abcdef
  assert.deepEqual(
    [reply.attr.inoHigh, reply.attr.inoLow],
    [0x89abcdef, Number(BigInt(frame.fields.ino) & 0xffffffffn)],
  )
})

test('several directory entries follow each other, and one that does not fit is refused whole', () => {
  for (const plus of [false, true]) {
    const message = replyTo('0x2', 0)
    const listing = new r.DirectoryReply(message)
    const head = plus ? 152 : 24
    const room = 3 * (head + 8)
    listing.begin(room)
    const names = ['a', 'bb', 'seven77', 'more']
    const added = names.map((name, index) => {
      const entry = { name, ino: index + 1, type: 0o100000, offset: index + 1 }
      return plus ? listing.addPlus(entry, () => {}) : listing.add(entry)
    })
    assert.deepEqual(added, [true, true, true, false])
    const bytes = sent(message)
    assert.equal(bytes.length, 16 + room)
    for (let index = 0; index < 3; index++) {
      const at = 16 + index * (head + 8)
      assert.equal(bytes.readBigUInt64LE(at + head - 24), BigInt(index + 1))
      assert.equal(bytes.toString('latin1', at + head, at + head + names[index].length), names[index])
    }
  }
})

test('a listing never outgrows the reply’s memory', () => {
  const message = replyTo('0x2', 0)
  const listing = new r.DirectoryReply(message)
  listing.begin(0xffffffff)
  let offset = 0
  while (listing.add({ name: 'x'.repeat(255), ino: 1, type: 0, offset: ++offset }));
  const room = message.outputBytes.length - PAYLOAD + 16
  assert.ok(message.replyLength <= room)
  assert.ok(message.replyLength > room - 280)
})

test('an error takes back what the reply carried', () => {
  const message = replyTo('0x2', 128)
  new r.BytesReply(message).data('abc')
  message.fail(errno.EIO)
  assert.equal(sent(message).length, 16)
  assert.equal(message.outputBytes.readInt32LE(4), -errno.EIO)
})

test('a value that the caller has no room for is ERANGE, one that fits is sent', () => {
  const message = replyTo('0x2', 0)
  message.input[10] = 3
  new r.XattrReply(message).value(Buffer.from('four'))
  assert.equal(message.outputBytes.readInt32LE(4), -errno.ERANGE)
  message.begin(40)
  new r.XattrReply(message).value(Buffer.from('two'))
  assert.equal(sent(message).toString('latin1', 16), 'two')
})

test('an extended attribute may be longer than a WRITE', () => {
  const message = new Message(4096)
  message.begin(40)
  message.input[10] = 65536
  for (const length of [12_000, 16_384, 65_536]) {
    new r.XattrReply(message).value(Buffer.alloc(length))
    assert.equal(message.failed, false)
  }
  assert.ok(new r.XattrReply(message).payload.length >= 65_536)
})

test('no timeout at all, fractions of a second, and for ever', () => {
  const message = replyTo('0x2', r.EntryReply.size)
  const reply = new r.EntryReply(message)
  const read = () => [message.outputBytes.readBigUInt64LE(32), message.outputBytes.readUInt32LE(48)]
  reply.entryTimeout = 0
  assert.deepEqual(read(), [0n, 0])
  reply.entryTimeout = 0.25
  assert.deepEqual(read(), [0n, 250_000_000])
  for (const ever of [Number.POSITIVE_INFINITY, 1e300, 0x7fffffff]) {
    reply.entryTimeout = ever
    assert.deepEqual(read(), [0x7fffffffn, 0])
  }
  for (const seconds of [0.1, 1.1, 0.999999999, 59.7, 1e-9]) {
    reply.entryTimeout = seconds
    const [whole, nanoseconds] = read() as [bigint, number]
    assert.ok(nanoseconds < 1e9)
    assert.ok(Math.abs(Number(whole) + nanoseconds / 1e9 - seconds) < 2e-9, `${seconds}`)
  }
  reply.entryTimeout = -1
  assert.deepEqual(read(), [0n, 0])
})

test('a negative entry without a timeout is ENOENT', () => {
  const message = replyTo('0x2', r.EntryReply.size)
  new r.EntryReply(message).negative(0)
  assert.equal(message.outputBytes.readInt32LE(4), -errno.ENOENT)
})

test('times as dates, also before 1970', () => {
  const message = replyTo('0x2', r.AttrReply.size)
  const { attr } = new r.AttrReply(message)
  attr.mtime = new Date(-1500)
  assert.equal(message.outputBytes.readBigInt64LE(32 + 32), -2n)
  assert.equal(message.outputBytes.readUInt32LE(32 + 52), 500_000_000)
})

test('text as a payload may be no UTF-8', () => {
  const message = replyTo('0x2', 0)
  const target = Buffer.from([0x61, 0xff, 0x2f, 0xc3])
  new r.BytesReply(message).data('a\udcff/\udcc3')
  assert.deepEqual(sent(message).subarray(16), target)
  assert.deepEqual(encodeName('a\udcff/\udcc3'), target)
})
