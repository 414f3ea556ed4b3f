// A read-only mount refuses every change twice: the kernel does, and the server does where the kernel would not.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { constants as c, errnoName, Opcode } from '@hawser/fuse'
import { constants as k, posix } from '@hawser/test-kit'
import { openPassthrough } from '../sources/passthrough/index.js'
import { name, RawClient, u32, u64 } from '../test-support/raw-client.js'
import { needsRoot, run, Workspace } from '../test-support/workspace.js'

function fill(source: string): string {
  mkdirSync(join(source, 'directory'))
  writeFileSync(join(source, 'file'), 'content')
  posix.setxattr(join(source, 'file'), 'user.kept', 'value')
  return fingerprint(source)
}

/** Everything that a change would show in. */
const fingerprint = (source: string) =>
  run('find', source, '-printf', '%P %m %U %G %s %T@ %C@ %n\\n') +
  run('lsattr', '-R', source) +
  readFileSync(join(source, 'file'), 'utf8') +
  posix.getxattr(join(source, 'file'), 'user.kept')

test('every changing operation is EROFS in the server itself', needsRoot, async (t) => {
  const place = new Workspace(t)
  const source = place.ext4(64)
  const before = fill(source)
  const { filesystem, features } = openPassthrough({
    directory: source,
    cache: 'never',
    readOnly: true,
    kernelPassthrough: false,
    forwardLocks: false,
    submounts: false,
    xattr: true,
    acl: false,
  })
  const client = await RawClient.connect(filesystem, features)
  place.atEnd(() => client.close())
  const nodeOf = async (one: string) =>
    Number((await client.request(Opcode.LOOKUP, 1, name(one))).body.readBigUInt64LE(0))
  const [file, directory] = [await nodeOf('file'), await nodeOf('directory')]
  const opened = await client.request(Opcode.OPEN, file, u32(c.O_RDONLY, 0))
  assert.equal(opened.error, 0)
  const fh = opened.body.readBigUInt64LE(0)
  const rest = (bytes: number) => Buffer.alloc(bytes)
  const setattr = (valid: number) => [u32(valid, 0), u64(fh), rest(72)] as const

  const changes: Record<string, [number, number, ...Buffer[]]> = {
    chmod: [Opcode.SETATTR, file, ...setattr(1)],
    chown: [Opcode.SETATTR, file, ...setattr(2 | 4)],
    truncate: [Opcode.SETATTR, file, ...setattr(8)],
    ftruncate: [Opcode.SETATTR, file, ...setattr(8 | 64)],
    utimens: [Opcode.SETATTR, file, ...setattr(16 | 32)],
    'utimens, now': [Opcode.SETATTR, file, ...setattr(128 | 256)],
    mkdir: [Opcode.MKDIR, 1, u32(0o755, 0), name('new')],
    mknod: [Opcode.MKNOD, 1, u32(0o100644, 0, 0, 0), name('new')],
    symlink: [Opcode.SYMLINK, 1, name('new'), name('target')],
    link: [Opcode.LINK, 1, u64(file), name('new')],
    unlink: [Opcode.UNLINK, 1, name('file')],
    rmdir: [Opcode.RMDIR, 1, name('directory')],
    rename: [Opcode.RENAME, 1, u64(directory), name('file'), name('new')],
    rename2: [Opcode.RENAME2, 1, u64(1), u32(c.RENAME_EXCHANGE, 0), name('file'), name('directory')],
    create: [Opcode.CREATE, 1, u32(c.O_RDWR | c.O_CREAT, 0o100644, 0, 0), name('new')],
    'create of what exists': [Opcode.CREATE, 1, u32(c.O_RDONLY | c.O_CREAT, 0o100644, 0, 0), name('file')],
    tmpfile: [Opcode.TMPFILE, 1, u32(c.O_RDWR, 0o100644, 0, 0), name('x')],
    'open for writing': [Opcode.OPEN, file, u32(c.O_WRONLY, 0)],
    'open for both': [Opcode.OPEN, file, u32(c.O_RDWR, 0)],
    'open to truncate': [Opcode.OPEN, file, u32(c.O_RDONLY | c.O_TRUNC, 0)],
    write: [Opcode.WRITE, file, u64(fh, 0), u32(3, 0), u64(0), u32(0, 0), Buffer.from('new')],
    fallocate: [Opcode.FALLOCATE, file, u64(fh, 0, 4096), u32(0, 0)],
    copy_file_range: [Opcode.COPY_FILE_RANGE, file, u64(fh, 0, file, fh, 0, 3, 0)],
    setxattr: [Opcode.SETXATTR, file, u32(1, 0, 0, 0), name('user.new'), Buffer.from('x')],
    removexattr: [Opcode.REMOVEXATTR, file, name('user.kept')],
    chattr: [Opcode.IOCTL, file, u64(fh), u32(0, c.FS_IOC_SETFLAGS), u64(0), u32(4, 0), u32(0x40)],
    'chattr, extended': [
      Opcode.IOCTL,
      file,
      u64(fh),
      u32(0, c.FS_IOC_FSSETXATTR),
      u64(0),
      u32(28, 0),
      rest(28),
    ],
  }
  for (const [what, request] of Object.entries(changes))
    assert.equal(errnoName((await client.request(...request)).error), 'EROFS', what)
  assert.equal(fingerprint(source), before)
})

test('a mount that someone remounts for writing still changes nothing', needsRoot, async (t) => {
  const place = new Workspace(t)
  const source = place.ext4(64)
  const before = fill(source)
  const { mountpoint: top } = await place.serve(source, { ro: true })
  const file = join(top, 'file')
  const changes = (): Record<string, number> => ({
    chmod: posix.chmod(file, 0o600),
    chown: posix.chown(file, 1, 1),
    truncate: posix.truncate(file, 0),
    utimens: posix.utimensNull(file),
    mkdir: posix.mkdir(join(top, 'new')),
    mkfifo: posix.mkfifo(join(top, 'new')),
    symlink: posix.symlink('target', join(top, 'new')),
    link: posix.link(file, join(top, 'new')),
    unlink: posix.unlink(file),
    rmdir: posix.rmdir(join(top, 'directory')),
    rename: posix.rename(file, join(top, 'new')),
    exchange: posix.rename(file, join(top, 'directory'), k.RENAME_EXCHANGE),
    create: posix.open(join(top, 'new'), k.O_CREAT | k.O_WRONLY, 0o644),
    tmpfile: posix.open(top, k.O_TMPFILE | k.O_RDWR, 0o600),
    'open for writing': posix.open(file, k.O_WRONLY),
    'open for both': posix.open(file, k.O_RDWR),
    'open to truncate': posix.open(file, k.O_RDONLY | k.O_TRUNC),
    setxattr: posix.setxattr(file, 'user.new', 'x'),
    removexattr: posix.removexattr(file, 'user.kept'),
  })
  const check = () => {
    for (const [what, result] of Object.entries(changes())) assert.equal(errnoName(-result), 'EROFS', what)
    assert.throws(() => run('chattr', '+i', file), /Read-only file system/)
    assert.equal(readFileSync(file, 'utf8'), 'content')
  }
  check()
  // -i: not by the helper of hawser's own, which refuses.
  run('mount', '-i', '-o', 'remount,rw', top)
  assert.match(run('findmnt', '-no', 'OPTIONS', top), /^rw/)
  check()
  assert.equal(fingerprint(source), before)
})
