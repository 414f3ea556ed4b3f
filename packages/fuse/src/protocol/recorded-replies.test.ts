// Replies that Linux 6.18 took, made again by the codec from what the system call then gave its caller.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errno } from '../native.js'
import { sent } from './frames.test.util.js'
import type { Message } from './message.js'
import { type Exchange, exchange, exchanges, lines, nodeOf, result } from './recorded.test.util.js'
import type { AttributesInit, Time } from './replies.js'

/** Prepares a reply of `size` zeros, as the session does, lets `encode` fill it, and compares it with the recorded one. */
function again({ views, reply }: Exchange, size: number, encode: (message: Message) => void): void {
  const { message } = views
  message.replyLength = 16 + size
  message.outputBytes.fill(0, 16, 16 + size)
  encode(message)
  assert.equal(sent(message).toString('hex'), reply?.toString('hex'))
}

interface Stat {
  st_mode: string
  st_ino: string
  st_nlink: string
  st_uid: string
  st_gid: string
  st_size: string
  st_atime_ns: string
  st_mtime_ns: string
  st_ctime_ns: string
  st_blksize: string
  st_blocks: string
  st_rdev: string
}
function time(nanoseconds: string): Time {
  const all = BigInt(nanoseconds)
  const rest = ((all % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n
  return { seconds: Number((all - rest) / 1_000_000_000n), nanoseconds: Number(rest) }
}
function attributes(stat: Stat): AttributesInit {
  return {
    ino: Number(stat.st_ino),
    mode: Number(stat.st_mode),
    nlink: Number(stat.st_nlink),
    uid: Number(stat.st_uid),
    gid: Number(stat.st_gid),
    size: Number(stat.st_size),
    blocks: Number(stat.st_blocks),
    blksize: Number(stat.st_blksize),
    rdev: Number(stat.st_rdev),
    atime: time(stat.st_atime_ns),
    mtime: time(stat.st_mtime_ns),
    ctime: time(stat.st_ctime_ns),
  }
}

test('GETATTR: what stat(2) showed', () => {
  for (const step of ['stat', 'stat after utimens']) {
    const asked = exchanges(step, 'GETATTR').at(-1) as Exchange
    again(asked, 104, () => {
      asked.views.attrReply.attrTimeout = 0
      asked.views.attrReply.attr.set(attributes(result(step)))
    })
  }
})

test('STATX: what statx(2) showed', () => {
  // struct statx, as the kernel gave it to the caller.
  const seen = Buffer.from(result<string>('statx'), 'hex')
  const at = (offset: number): Time => ({
    seconds: Number(seen.readBigInt64LE(offset)),
    nanoseconds: seen.readUInt32LE(offset + 8),
  })
  assert.deepEqual(at(80), { seconds: 1_234_567_890, nanoseconds: 987_654_321 })
  const asked = exchange('statx', 'STATX')
  again(asked, 288, () => {
    asked.views.statxReply.attrTimeout = 0
    asked.views.statxReply.set({
      mask: 0xfff,
      blksize: seen.readUInt32LE(4),
      // 6.18 does not pass a server's attributes and device on.
      attributes: 0x10,
      attributesMask: 0x30,
      devMajor: 8,
      devMinor: 3,
      nlink: seen.readUInt32LE(16),
      uid: seen.readUInt32LE(20),
      gid: seen.readUInt32LE(24),
      mode: seen.readUInt16LE(28),
      ino: Number(seen.readBigUInt64LE(32)),
      size: Number(seen.readBigUInt64LE(40)),
      blocks: Number(seen.readBigUInt64LE(48)),
      atime: at(64),
      btime: at(80),
      ctime: at(96),
      mtime: at(112),
    })
  })
})

test('STATFS: what statvfs(3) showed', () => {
  const [bsize, frsize, blocks, bfree, bavail, files, ffree] = result<number[]>('statfs')
  const asked = exchange('statfs', 'STATFS')
  again(asked, 80, () =>
    asked.views.statfsReply.set({ bsize, frsize, blocks, bfree, bavail, files, ffree, namelen: 250 }),
  )
})

test('bytes: READLINK, READ, GETXATTR, LISTXATTR, IOCTL', () => {
  const readlink = exchange('readlink', 'READLINK')
  again(readlink, 0, () => readlink.views.bytesReply.data(result<string>('readlink')))
  const read = exchange('read', 'READ')
  again(read, 0, () => read.views.readReply.data(Buffer.from(result<string>('read'), 'hex')))
  const user = (step: string) =>
    exchanges(step, 'GETXATTR').find(({ views }) => `${views.getxattr.name}`.startsWith('user.')) as Exchange
  const value = Buffer.from(result<string>('getxattr'), 'hex')
  const get = user('getxattr')
  again(get, 0, () => get.views.xattrReply.value(value))
  const size = user('getxattr size')
  assert.equal(result('getxattr size'), value.length)
  again(size, 0, () => size.views.xattrReply.value(value))
  const names = result<string[]>('listxattr')
  const list = exchange('listxattr', 'LISTXATTR')
  again(list, 0, () => list.views.xattrReply.value(Buffer.from(names.map((name) => `${name}\0`).join(''))))
  const ioctl = exchange('ioctl', 'IOCTL')
  again(ioctl, 16, () => ioctl.views.ioctlReply.data(Buffer.from(result<string>('ioctl'), 'hex')))
})

test('numbers: WRITE, LSEEK, copies, BMAP, POLL, GETLK', () => {
  const write = exchange('write', 'WRITE')
  again(write, 8, () => {
    write.views.writeReply.size = result('write')
  })
  const lseek = exchange('seek hole', 'LSEEK')
  again(lseek, 8, () => {
    lseek.views.lseekReply.offset = result('seek hole')
  })
  const copy = exchange('copy', 'COPY_FILE_RANGE_64')
  again(copy, 8, () => {
    copy.views.copyReply.copied = result('copy')
  })
  const old = exchange('copy', 'COPY_FILE_RANGE', 'oldest')
  again(old, 8, () => {
    old.views.copyReply.copied = result('copy', 'oldest')
  })
  const bmap = exchange('bmap', 'BMAP', 'block')
  again(bmap, 8, () => {
    bmap.views.bmapReply.block = result('bmap', 'block')
  })
  const poll = exchanges('poll', 'POLL')[1]
  again(poll, 8, () => {
    poll.views.pollReply.events = result<number[]>('poll')[0]
  })
  // struct flock: type, whence, start, length (0: to the end), pid.
  const [type, , start, length, pid] = result<number[]>('getlk')
  assert.equal(length, 0)
  const getlk = exchange('getlk', 'GETLK')
  again(getlk, 24, () => getlk.views.lockReply.set({ type, start, end: Number.POSITIVE_INFINITY, pid }))
})

test('a listing: the names that the caller read, in the order and with the offsets of the reply', () => {
  const [{ reply }] = exchanges('readdir', 'READDIRPLUS')
  assert.ok(reply)
  const names: string[] = []
  let offset = 0n
  for (let at = 16; at < reply.length; ) {
    const length = reply.readUInt32LE(at + 128 + 16)
    offset = reply.readBigUInt64LE(at + 128 + 8)
    names.push(reply.toString('utf8', at + 152, at + 152 + length))
    at += (152 + length + 7) & ~7
  }
  assert.deepEqual(names.slice(0, 2), ['.', '..'])
  assert.deepEqual(names.slice(2).sort(), result('readdir'))
  assert.equal(offset, BigInt(names.length))
})

test('MKNOD: the device number that stat(2) would show is the one that was sent', () => {
  const { views, reply } = exchange('mknod device', 'MKNOD')
  assert.equal(reply?.readUInt32LE(16 + 40 + 76), views.mknod.rdev)
})

test('errors are negated errno values without a payload', () => {
  const error = (e: Exchange) => [e.reply?.length, e.reply?.readInt32LE(4)]
  assert.deepEqual(error(exchange('lookup absent', 'LOOKUP')), [16, -errno.ENOENT])
  assert.deepEqual(error(exchange('setlkw interrupted', 'SETLKW')), [16, -errno.EINTR])
  assert.deepEqual(error(exchange('copy', 'COPY_FILE_RANGE_64', 'oldest')), [16, -errno.ENOSYS])
  const remembered = exchange('lookup absent, remembered', 'LOOKUP')
  again(remembered, 128, () => remembered.views.entryReply.negative(60))
})

test('what the kernel wants no reply to got none', () => {
  const silent = new Set(['FORGET', 'BATCH_FORGET', 'INTERRUPT', 'NOTIFY_REPLY'])
  for (const { operation, reply, step, mount } of lines)
    if (operation) assert.equal(reply === undefined, silent.has(operation), `${mount}, ${step}: ${operation}`)
})

test('notifications did what they say', () => {
  assert.equal(result('read what was stored'), 'stored in the page cache')
  assert.equal(result('retrieve'), 'red in the page')
  assert.equal(result('read after invalidation'), 'x'.repeat(24))
  const after = (step: string) => exchange(step, 'LOOKUP').views.name.name.toString()
  for (const step of ['stat after invalidation', 'stat after expiry', 'stat after epoch']) {
    assert.equal(after(step), 'fifo')
    assert.equal(result(step), nodeOf('mknod fifo', 'MKNOD') + 1000)
  }
  assert.equal(lines.filter(({ operation, step }) => operation === 'FORGET' && step === 'prune').length, 1)
})
