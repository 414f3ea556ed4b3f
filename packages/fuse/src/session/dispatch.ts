import type { Filesystem, Result } from '../filesystem.js'
import { errno } from '../native.js'
import * as p from '../protocol/index.js'
import type { Views } from './views.js'

const { Opcode } = p
/** Offsets whose upper half is at least this are no exact numbers: 2^53. */
const BEYOND = 1 << 21

/** The method that serves each opcode; those that are left to the session have none. */
const methods: Partial<Record<p.Opcode, keyof Filesystem>> = {
  [Opcode.LOOKUP]: 'lookup',
  [Opcode.GETATTR]: 'getattr',
  [Opcode.SETATTR]: 'setattr',
  [Opcode.READLINK]: 'readlink',
  [Opcode.SYMLINK]: 'symlink',
  [Opcode.MKNOD]: 'mknod',
  [Opcode.MKDIR]: 'mkdir',
  [Opcode.UNLINK]: 'unlink',
  [Opcode.RMDIR]: 'rmdir',
  [Opcode.RENAME]: 'rename',
  [Opcode.LINK]: 'link',
  [Opcode.OPEN]: 'open',
  [Opcode.READ]: 'read',
  [Opcode.WRITE]: 'write',
  [Opcode.STATFS]: 'statfs',
  [Opcode.RELEASE]: 'release',
  [Opcode.FSYNC]: 'fsync',
  [Opcode.SETXATTR]: 'setxattr',
  [Opcode.GETXATTR]: 'getxattr',
  [Opcode.LISTXATTR]: 'listxattr',
  [Opcode.REMOVEXATTR]: 'removexattr',
  [Opcode.FLUSH]: 'flush',
  [Opcode.OPENDIR]: 'opendir',
  [Opcode.READDIR]: 'readdir',
  [Opcode.RELEASEDIR]: 'releasedir',
  [Opcode.FSYNCDIR]: 'fsyncdir',
  [Opcode.GETLK]: 'getlk',
  [Opcode.SETLK]: 'setlk',
  [Opcode.SETLKW]: 'setlkw',
  [Opcode.ACCESS]: 'access',
  [Opcode.CREATE]: 'create',
  [Opcode.BMAP]: 'bmap',
  [Opcode.IOCTL]: 'ioctl',
  [Opcode.POLL]: 'poll',
  [Opcode.FALLOCATE]: 'fallocate',
  [Opcode.READDIRPLUS]: 'readdirplus',
  [Opcode.RENAME2]: 'rename',
  [Opcode.LSEEK]: 'lseek',
  [Opcode.COPY_FILE_RANGE]: 'copyFileRange',
  [Opcode.SYNCFS]: 'syncfs',
  [Opcode.TMPFILE]: 'tmpfile',
  [Opcode.STATX]: 'statx',
  [Opcode.COPY_FILE_RANGE_64]: 'copyFileRange',
}

/** By opcode, 1 where the file system has a method for it. */
export function supportedOpcodes(filesystem: Filesystem): Uint8Array {
  const supported = new Uint8Array(256)
  for (const [opcode, method] of Object.entries(methods))
    if (filesystem[method]) supported[Number(opcode)] = 1
  return supported
}

function prepare(message: p.Message, size: number): void {
  message.replyLength = p.OUT_HEADER_SIZE + size
  const { output } = message
  for (let at = 4, end = 4 + (size >> 2); at < end; at++) output[at] = 0
}

/** Calls the file system's method for a request whose opcode it supports. */
export function dispatch(fs: Required<Filesystem>, v: Views): Result {
  const { message } = v
  const { input } = message
  switch (input[1]) {
    case Opcode.LOOKUP:
      prepare(message, p.EntryReply.size)
      return fs.lookup(v.name, v.entryReply)
    case Opcode.GETATTR:
      prepare(message, p.AttrReply.size)
      return fs.getattr(v.getattr, v.attrReply)
    case Opcode.READ:
      if (input[13] >= BEYOND) return
      return fs.read(v.read, v.readReply)
    case Opcode.WRITE:
      if (input[13] >= BEYOND) return message.fail(errno.EFBIG)
      prepare(message, p.WriteReply.size)
      return fs.write(v.write, v.writeReply)
    case Opcode.OPEN:
      prepare(message, p.OpenReply.size)
      return fs.open(v.open, v.openReply)
    case Opcode.RELEASE:
      return fs.release(v.release, v.emptyReply)
    case Opcode.FLUSH:
      return fs.flush(v.flush, v.emptyReply)
    case Opcode.CREATE:
      prepare(message, p.CreateReply.size)
      return fs.create(v.create, v.createReply)
    case Opcode.UNLINK:
      return fs.unlink(v.name, v.emptyReply)
    case Opcode.RMDIR:
      return fs.rmdir(v.name, v.emptyReply)
    case Opcode.SETATTR:
      if (input[10] & p.SetattrValid.SIZE && input[15] >= BEYOND) return message.fail(errno.EFBIG)
      prepare(message, p.AttrReply.size)
      return fs.setattr(v.setattr, v.attrReply)
    case Opcode.READLINK:
      return fs.readlink(v.request, v.bytesReply)
    case Opcode.SYMLINK:
      prepare(message, p.EntryReply.size)
      return fs.symlink(v.symlink, v.entryReply)
    case Opcode.MKNOD:
      prepare(message, p.EntryReply.size)
      return fs.mknod(v.mknod, v.entryReply)
    case Opcode.MKDIR:
      prepare(message, p.EntryReply.size)
      return fs.mkdir(v.mkdir, v.entryReply)
    case Opcode.RENAME:
      return fs.rename(v.rename, v.emptyReply)
    case Opcode.RENAME2:
      return fs.rename(v.rename2, v.emptyReply)
    case Opcode.LINK:
      prepare(message, p.EntryReply.size)
      return fs.link(v.link, v.entryReply)
    case Opcode.STATFS:
      prepare(message, p.StatfsReply.size)
      return fs.statfs(v.request, v.statfsReply)
    case Opcode.FSYNC:
      return fs.fsync(v.fsync, v.emptyReply)
    case Opcode.SETXATTR:
      return fs.setxattr(v.setxattr, v.emptyReply)
    case Opcode.GETXATTR:
      return fs.getxattr(v.getxattr, v.xattrReply)
    case Opcode.LISTXATTR:
      return fs.listxattr(v.listxattr, v.xattrReply)
    case Opcode.REMOVEXATTR:
      return fs.removexattr(v.name, v.emptyReply)
    case Opcode.OPENDIR:
      prepare(message, p.OpenReply.size)
      return fs.opendir(v.open, v.openReply)
    case Opcode.READDIR:
      v.directoryReply.begin(v.readdir.size)
      return fs.readdir(v.readdir, v.directoryReply)
    case Opcode.READDIRPLUS:
      v.directoryReply.begin(v.readdir.size)
      return fs.readdirplus(v.readdir, v.directoryReply)
    case Opcode.RELEASEDIR:
      return fs.releasedir(v.release, v.emptyReply)
    case Opcode.FSYNCDIR:
      return fs.fsyncdir(v.fsync, v.emptyReply)
    case Opcode.GETLK:
      prepare(message, p.LockReply.size)
      return fs.getlk(v.lock, v.lockReply)
    case Opcode.SETLK:
      return fs.setlk(v.lock, v.emptyReply)
    case Opcode.SETLKW:
      return fs.setlkw(v.lock, v.emptyReply)
    case Opcode.ACCESS:
      return fs.access(v.access, v.emptyReply)
    case Opcode.BMAP:
      prepare(message, p.BmapReply.size)
      return fs.bmap(v.bmap, v.bmapReply)
    case Opcode.IOCTL:
      prepare(message, p.IoctlReply.size)
      return fs.ioctl(v.ioctl, v.ioctlReply)
    case Opcode.POLL:
      prepare(message, p.PollReply.size)
      return fs.poll(v.poll, v.pollReply)
    case Opcode.FALLOCATE:
      if (input[13] >= BEYOND || input[15] >= BEYOND) return message.fail(errno.EFBIG)
      return fs.fallocate(v.fallocate, v.emptyReply)
    case Opcode.LSEEK:
      if (input[13] >= BEYOND) return message.fail(errno.ENXIO)
      prepare(message, p.LseekReply.size)
      return fs.lseek(v.lseek, v.lseekReply)
    case Opcode.COPY_FILE_RANGE:
    case Opcode.COPY_FILE_RANGE_64:
      prepare(message, p.CopyReply.size)
      if (input[13] >= BEYOND) return // nothing can lie there
      if (input[19] >= BEYOND) return message.fail(errno.EFBIG)
      return fs.copyFileRange(v.copy, v.copyReply)
    case Opcode.SYNCFS:
      return fs.syncfs(v.request, v.emptyReply)
    case Opcode.TMPFILE:
      prepare(message, p.CreateReply.size)
      return fs.tmpfile(v.create, v.createReply)
    case Opcode.STATX:
      prepare(message, p.StatxReply.size)
      return fs.statx(v.statx, v.statxReply)
    default:
      return message.fail(errno.ENOSYS)
  }
}
