// Requests that Linux 6.18 sent (fixtures/recorded-6.18.jsonl), decoded and compared with the system calls that made it
// send them (scripts/record-steps.mjs).
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { constants as c } from '../native.js'
import { Opcode, SetattrValid as V } from './constants.js'
import { load } from './frames.test.util.js'
import { decodeInit } from './init.js'
import { Message } from './message.js'
import {
  exchange,
  exchanges,
  extended,
  handleOf,
  lines,
  nodeOf,
  requests,
  result,
} from './recorded.test.util.js'
import { validateRequest } from './validate.js'

const ROOT = 1
/** As x86-64, where this was recorded, numbers them. The kernel adds O_LARGEFILE to every open of a 64-bit process. */
const O = {
  WRONLY: 1,
  RDWR: 2,
  CREAT: 0o100,
  EXCL: 0o200,
  TRUNC: 0o1000,
  APPEND: 0o2000,
  LARGEFILE: 0o100000,
  DIRECTORY: 0o200000,
  TMPFILE: 0o20200000,
}
const directory = nodeOf('mkdir', 'MKDIR')
const file = nodeOf('create', 'CREATE')
const first = handleOf('create', 'CREATE')
const second = handleOf('open', 'OPEN')
const unnamed = handleOf('tmpfile', 'TMPFILE')

test('every operation that 6.18 sends is there', () => {
  const seen = new Set(requests.map(({ operation }) => operation))
  // The step of syncfs(2) made 6.18 send nothing to a plain FUSE mount.
  assert.deepEqual(
    Object.keys(Opcode).filter((operation) => !seen.has(operation)),
    ['SYNCFS'],
  )
})

test('all requests are well formed, and from whom they should be', () => {
  const message = new Message(1 << 16)
  const pid = result<number>('driver pid')
  for (const { mount, step, operation, request } of requests) {
    const what = `${mount}, ${step}: ${operation}`
    load(message, Buffer.from(request, 'hex'))
    assert.equal(validateRequest(message, extended(mount)), undefined, what)
    assert.equal(message.opcode, Opcode[operation as keyof typeof Opcode], what)
    const [uid, gid, caller] = message.input.subarray(6, 9)
    if (mount !== 'main') continue
    // FORGET, INTERRUPT and NOTIFY_REPLY come from the kernel; RELEASE of a file that was closed too.
    if (caller !== 0 && operation !== 'NOTIFY_REPLY') assert.equal(caller, pid, what)
    const user = /kills set-id|set an ACL/.test(step) && caller !== 0 ? 1000 : 0
    assert.deepEqual([uid, gid], [user, user], what)
  }
})

test('INIT', () => {
  const offer = decodeInit(exchange('mount', 'INIT').views.message)
  assert.deepEqual([offer.major, offer.minor, offer.maxReadahead], [7, 45, 131072])
  assert.equal(offer.flags, 0x73fffffb)
  assert.equal(offer.flags2 & ~0x200, 0x5fd) // OVER_IO_URING where fuse.enable_uring is set
})

test('names: LOOKUP, UNLINK, RMDIR', () => {
  const name = (step: string, operation: string) => exchange(step, operation).views.name
  assert.equal(name('mkdir', 'LOOKUP').name.toString(), 'directory')
  assert.equal(name('create', 'LOOKUP').nodeId, directory)
  assert.deepEqual([...name('lookup bytes', 'LOOKUP').name.bytes.subarray(-3)], [0x20, 0xff, 0xc3])
  assert.equal(name('lookup bytes', 'LOOKUP').name.toString(), 'no UTF-8: \udcff\udcc3')
  assert.equal(name('unlink', 'UNLINK').name.toString(), 'exclusive')
  assert.equal(name('rmdir', 'RMDIR').name.toString(), 'many0')
  assert.equal(name('removexattr', 'REMOVEXATTR').name.toString(), 'user.colour')
  assert.equal(name('removexattr', 'REMOVEXATTR').nodeId, file)
})

test('MKDIR, MKNOD, SYMLINK, LINK', () => {
  const { mkdir } = exchange('mkdir', 'MKDIR').views
  assert.deepEqual([mkdir.nodeId, mkdir.name.toString(), mkdir.umask], [ROOT, 'directory', 0o027])
  assert.equal(mkdir.mode, 0o751) // DONT_MASK: the umask is ours to apply
  const fifo = exchange('mknod fifo', 'MKNOD').views.mknod
  assert.deepEqual([fifo.mode, fifo.rdev, fifo.umask, `${fifo.name}`], [c.S_IFIFO | 0o640, 0, 0o027, 'fifo'])
  const device = exchange('mknod device', 'MKNOD').views.mknod
  // As new_encode_dev packs 0x123:0x45678.
  assert.deepEqual([device.mode, device.rdev], [c.S_IFCHR | 0o600, 0x45612378])
  const { symlink } = exchange('symlink', 'SYMLINK').views
  assert.deepEqual([`${symlink.name}`, `${symlink.target}`], ['symlink', '../to/ä target'])
  const { link } = exchange('link', 'LINK').views
  assert.deepEqual([link.nodeId, link.target, `${link.name}`], [ROOT, file, 'linked'])
  assert.equal(exchange('link tmpfile', 'LINK').views.link.target, nodeOf('tmpfile', 'TMPFILE'))
})

test('RENAME and RENAME2', () => {
  const { rename } = exchange('rename', 'RENAME').views
  assert.deepEqual(
    [rename.nodeId, rename.newParent, `${rename.name}`, `${rename.newName}`, rename.flags],
    [ROOT, directory, 'linked', 'renamed', 0],
  )
  const { rename2 } = exchange('rename without replacing', 'RENAME2').views
  assert.deepEqual(
    [rename2.nodeId, rename2.newParent, `${rename2.name}`, `${rename2.newName}`, rename2.flags],
    [directory, ROOT, 'renamed', 'again', c.RENAME_NOREPLACE],
  )
  assert.equal(exchange('exchange', 'RENAME2').views.rename2.flags, c.RENAME_EXCHANGE)
})

test('CREATE, TMPFILE, OPEN, OPENDIR', () => {
  const { create } = exchange('create', 'CREATE').views
  assert.deepEqual([create.nodeId, `${create.name}`], [directory, 'file'])
  assert.equal(create.flags, O.CREAT | O.RDWR | O.LARGEFILE)
  assert.deepEqual([create.mode, create.umask, create.killSetId], [c.S_IFREG | 0o644, 0o027, false])
  const exclusive = exchange('create exclusively', 'CREATE').views.create
  assert.equal(exclusive.flags, O.CREAT | O.EXCL | O.WRONLY | O.LARGEFILE)
  assert.equal(exclusive.mode, c.S_IFREG | 0o4755)
  const tmpfile = exchange('tmpfile', 'TMPFILE').views.create
  assert.equal(tmpfile.flags, O.TMPFILE | O.RDWR | O.LARGEFILE)
  assert.deepEqual([tmpfile.nodeId, tmpfile.mode, `${tmpfile.name}`], [ROOT, c.S_IFREG | 0o600, '/'])
  const open = (step: string) => exchange(step, 'OPEN').views.open
  assert.equal(open('open').flags, O.RDWR | O.APPEND | O.LARGEFILE)
  assert.equal(open('open').nodeId, file)
  assert.deepEqual(
    [open('open truncating').flags, open('open truncating').killSetId],
    [O.WRONLY | O.TRUNC | O.LARGEFILE, false],
  )
  assert.equal(open('open kills set-id').killSetId, true)
  assert.equal(exchange('opendir', 'OPENDIR').views.open.flags & O.DIRECTORY, O.DIRECTORY)
})

test('READ, WRITE, LSEEK, FALLOCATE, copies', () => {
  const { write } = exchange('write', 'WRITE').views
  assert.deepEqual(
    [write.nodeId, write.fh, write.offset, write.size, `${write.data}`],
    [file, first, 5, 13, 'written bytes'],
  )
  assert.deepEqual([write.fromCache, write.killSetId], [false, false])
  assert.equal(write.flags, O.RDWR | O.LARGEFILE)
  assert.equal(exchange('write kills set-id', 'WRITE').views.write.killSetId, true)
  const cached = exchange('fsync', 'WRITE', 'writeback').views.write
  assert.deepEqual(
    [cached.fromCache, cached.pid, cached.offset, cached.data.subarray(3).toString()],
    [true, 0, 0, 'written back'],
  )
  const { read } = exchange('read', 'READ').views
  assert.deepEqual([read.nodeId, read.fh, read.offset, read.size], [file, first, 0, 4096])
  const data = exchange('seek data', 'LSEEK').views.lseek
  assert.deepEqual([data.fh, data.offset, data.whence], [second, 0x800, c.SEEK_DATA])
  const hole = exchange('seek hole', 'LSEEK').views.lseek
  assert.deepEqual([hole.offset, hole.whence], [0x900, c.SEEK_HOLE])
  const { fallocate } = exchange('fallocate', 'FALLOCATE').views
  assert.deepEqual(
    [fallocate.fh, fallocate.offset, fallocate.length, fallocate.mode],
    [second, 0x1000, 0x2000, 0],
  )
  assert.equal(exchange('punch', 'FALLOCATE').views.fallocate.mode, 3)
  const { copy } = exchange('copy', 'COPY_FILE_RANGE_64').views
  assert.deepEqual(
    [copy.nodeId, copy.fh, copy.offset, copy.outNodeId, copy.outFh, copy.outOffset, copy.length, copy.flags],
    [file, second, 16, nodeOf('tmpfile', 'TMPFILE'), unnamed, 0x1_0000, 0x800, 0],
  )
  const old = exchange('copy', 'COPY_FILE_RANGE', 'oldest').views.copy
  assert.deepEqual([old.offset, old.outOffset, old.length], [2, 20, 5])
})

test('SETATTR', () => {
  const setattr = (step: string) => exchange(step, 'SETATTR').views.setattr
  const chmod = setattr('chmod')
  assert.deepEqual([chmod.valid, chmod.mode, chmod.nodeId], [V.MODE, c.S_IFREG | 0o2755, file])
  const chown = setattr('chown')
  assert.deepEqual([chown.valid, chown.newUid, chown.newGid], [V.UID | V.GID | V.KILL_SUIDGID, 1234, 5678])
  const ftruncate = setattr('ftruncate')
  assert.deepEqual([ftruncate.hasHandle, ftruncate.fh, ftruncate.size], [true, first, 12])
  const truncate = setattr('truncate')
  assert.deepEqual([truncate.hasHandle, truncate.size, truncate.killSetId], [false, 0x1234, false])
  assert.equal(setattr('truncate kills set-id').killSetId, true)
  const { atime, mtime, ctime, valid } = setattr('utimens')
  assert.equal(valid, V.ATIME | V.MTIME)
  assert.deepEqual(atime, { seconds: 1_500_000_000, nanoseconds: 1, now: false })
  assert.deepEqual(mtime, { seconds: 2_500_000_000, nanoseconds: 999_999_999, now: false })
  assert.equal(ctime, undefined)
  const early = setattr('utimens before 1970')
  assert.deepEqual(early.atime, { seconds: -2, nanoseconds: 500_000_000, now: false })
  assert.deepEqual(early.mtime, { seconds: -3_000_000_001, nanoseconds: 750_000_000, now: false })
  const now = setattr('utimens now')
  assert.deepEqual([now.atime?.now, now.mtime?.now], [true, true])
  const back = exchange('fsync', 'SETATTR', 'writeback').views.setattr
  assert.equal(back.valid, V.MTIME | V.CTIME | V.FH)
  assert.deepEqual(back.ctime, back.mtime)
})

test('extended attributes', () => {
  const { setxattr } = exchange('setxattr', 'SETXATTR').views
  assert.deepEqual(
    [setxattr.nodeId, `${setxattr.name}`, setxattr.flags],
    [file, 'user.colour', c.XATTR_CREATE],
  )
  assert.deepEqual([...setxattr.value], [0, ...Buffer.from('blue'), 255])
  assert.equal(setxattr.killSetGid, false)
  const acl = exchange('set an ACL', 'SETXATTR').views.setxattr
  assert.deepEqual([`${acl.name}`, acl.value.length, acl.killSetGid], ['system.posix_acl_access', 44, true])
  const asked = (step: string) =>
    exchanges(step, 'GETXATTR')
      .map(({ views }) => views.getxattr)
      .find(({ name }) => `${name}`.startsWith('user.'))
  assert.deepEqual([asked('getxattr size')?.size, `${asked('getxattr size')?.name}`], [0, 'user.colour'])
  assert.equal(asked('getxattr')?.size, 128)
  assert.equal(exchange('listxattr', 'LISTXATTR').views.listxattr.size, 256)
  const short = exchange('setxattr', 'SETXATTR', 'oldest').views.setxattr
  assert.deepEqual([`${short.name}`, `${short.value}`, short.flags], ['user.short', 'value', c.XATTR_REPLACE])
})

test('GETATTR, STATX, ACCESS, BMAP', () => {
  const inRead = exchange('read', 'GETATTR').views.getattr
  assert.deepEqual([inRead.hasHandle, inRead.fh], [true, first])
  assert.equal(exchanges('stat', 'GETATTR').at(-1)?.views.getattr.hasHandle, false)
  const { statx } = exchange('statx', 'STATX').views
  assert.deepEqual([statx.nodeId, statx.hasHandle, statx.statxFlags, statx.mask], [file, false, 0, 0xfff])
  assert.equal(exchange('access', 'ACCESS', 'oldest').views.access.mask, 4 | 1)
  const { bmap } = exchange('bmap', 'BMAP', 'block').views
  assert.deepEqual([bmap.block, bmap.blockSize], [3, 4096])
})

test('READDIR, READDIRPLUS, RELEASEDIR, FSYNCDIR', () => {
  const handle = handleOf('opendir', 'OPENDIR')
  const [start, end] = exchanges('readdir', 'READDIRPLUS').map(({ views }) => views.readdir)
  assert.deepEqual([start.nodeId, start.fh, start.offsetLow, start.size], [ROOT, handle, 0, 32768])
  // "." and ".." and what was listed: the offset of the last is where the next request begins.
  assert.deepEqual([end.offsetLow, end.offsetHigh], [2 + result<string[]>('readdir').length, 0])
  assert.equal(exchanges('readdir', 'READDIR', 'oldest')[1].views.readdir.offsetLow, 3)
  assert.equal(exchange('releasedir', 'RELEASEDIR').views.release.fh, handle)
  assert.equal(exchange('fsyncdir', 'FSYNCDIR').views.fsync.dataOnly, false)
  assert.equal(exchange('fdatasync directory', 'FSYNCDIR').views.fsync.dataOnly, true)
})

test('FSYNC, FLUSH, RELEASE', () => {
  assert.equal(exchange('fsync', 'FSYNC').views.fsync.dataOnly, false)
  assert.equal(exchange('fdatasync', 'FSYNC').views.fsync.dataOnly, true)
  const { flush } = exchange('close', 'FLUSH').views
  assert.equal(flush.fh, first)
  const { release } = exchange('close', 'RELEASE').views
  assert.deepEqual(
    [release.fh, release.flags, release.releaseFlockLock],
    [first, O.RDWR | O.LARGEFILE, false],
  )
  const flocked = exchange('close flocked', 'RELEASE').views.release
  const { lock } = exchange('flock', 'SETLKW').views
  assert.equal(flocked.releaseFlockLock, true)
  assert.deepEqual([flocked.lockOwnerLow, flocked.lockOwnerHigh], [lock.ownerLow, lock.ownerHigh])
  // The owner of fcntl locks is the process, which FLUSH names too.
  const posix = exchange('setlk', 'SETLK').views.lock
  assert.deepEqual([flush.lockOwnerLow, flush.lockOwnerHigh], [posix.ownerLow, posix.ownerHigh])
})

test('GETLK, SETLK, SETLKW', () => {
  const lock = (step: string, operation: string) => exchange(step, operation).views.lock
  const asked = lock('getlk', 'GETLK')
  assert.deepEqual([asked.fh, asked.start, asked.end, asked.type], [second, 10, 29, c.F_RDLCK])
  const set = lock('setlk', 'SETLK')
  assert.deepEqual(
    [set.start, set.end, set.type, set.lockPid],
    [2 ** 32, 2 ** 32 + 19, c.F_RDLCK, result('driver pid')],
  )
  assert.equal(set.isFlock, false)
  assert.deepEqual(
    [lock('setlk to the end', 'SETLK').start, lock('setlk to the end', 'SETLK').end],
    [30, Number.POSITIVE_INFINITY],
  )
  assert.equal(lock('unlock', 'SETLK').type, c.F_UNLCK)
  assert.deepEqual(
    [lock('setlkw interrupted', 'SETLKW').start, lock('setlkw interrupted', 'SETLKW').end],
    [1, 1],
  )
  const flock = lock('flock', 'SETLKW')
  assert.deepEqual(
    [flock.isFlock, flock.type, flock.start, flock.end],
    [true, c.F_WRLCK, 0, Number.POSITIVE_INFINITY],
  )
  assert.equal(lock('flock without waiting', 'SETLK').type, c.F_RDLCK)
})

test('IOCTL and POLL', () => {
  const { ioctl } = exchange('ioctl', 'IOCTL').views
  assert.deepEqual([ioctl.fh, ioctl.command, ioctl.flags, ioctl.outputSize], [second, 0xc0104801, 0, 16])
  assert.equal(`${ioctl.data}`, '0123456789abcdef')
  const inDirectory = exchange('ioctl directory', 'IOCTL').views.ioctl
  assert.deepEqual(
    [inDirectory.flags, inDirectory.command, `${inDirectory.data}`],
    [16, 0xc0084802, '01234567'],
  )
  const flags = exchange('ioctl flags', 'IOCTL').views.ioctl
  assert.deepEqual([flags.command, flags.data.length, flags.outputSize], [0x80086601, 0, 4])
  const polls = exchanges('poll', 'POLL').map(({ views }) => views.poll)
  assert.equal(polls.length, 2)
  for (const poll of polls) {
    assert.deepEqual([poll.fh, poll.wantsNotification], [second, true])
    assert.equal(poll.events & 1, 1)
  }
  assert.equal(polls[0].pollHandle, polls[1].pollHandle)
  const wakeup = lines.find(({ step, notification }) => step === 'poll' && notification)?.notification
  assert.equal(Buffer.from(wakeup as string, 'hex').readBigUInt64LE(16), BigInt(polls[0].pollHandle))
})

test('extensions: the group that decides in a set-group-ID directory', () => {
  const at = (step: string, operation: string) => exchange(step, operation, 'extensions').views
  const all = [
    at('mkdir', 'MKDIR').mkdir,
    at('mknod', 'MKNOD').mknod,
    at('symlink', 'SYMLINK').symlink,
    at('create', 'CREATE').create,
    at('tmpfile', 'TMPFILE').create,
  ]
  for (const request of all) {
    assert.equal(request.supplementaryGroup, 4242)
    assert.deepEqual([request.uid, request.gid], [1000, 1000])
    // This kernel's security modules have no label for a new file: a record without contexts.
    assert.deepEqual(request.securityContexts, [])
  }
  assert.deepEqual(
    all.map(({ name }) => `${name}`),
    ['d', 'no', 'sym', 'file', '/'],
  )
  assert.equal(at('symlink', 'SYMLINK').symlink.target.toString(), 'target')
  const root = at('mkdir as root', 'MKDIR').mkdir
  assert.deepEqual([`${root.name}`, root.supplementaryGroup, root.securityContexts], ['root', -1, []])
})

test('a request sent again has bit 63 set, and nothing else changed', () => {
  const [once, again] = exchanges('resend', 'READ').map(({ request }) => request)
  assert.equal(again[15], once[15] | 0x80)
  again[15] &= 0x7f
  assert.deepEqual(again, once)
})

test('operations without arguments', () => {
  assert.equal(exchange('readlink', 'READLINK').views.request.nodeId, nodeOf('symlink', 'SYMLINK'))
  assert.equal(exchange('statfs', 'STATFS').request.length, 40)
  assert.equal(exchange('unmount', 'DESTROY', 'block').request.length, 40)
})
