// What record.mjs does on each of its mounts: [step, Python of record-driver.py, or a function of the server].
// The tests know the steps by name (src/protocol/recorded*.test.ts).

const create = (path, slot = 'f', flags = 'os.O_CREAT | os.O_RDWR', mode = '0o644') =>
  `keep('${slot}', os.open(p('${path}'), ${flags}, ${mode}))`
const close = (slot = 'f') => `os.close(kept['${slot}'])`
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const node = (filesystem, path) => {
  let at = filesystem.nodes.get(1)
  for (const name of path.split('/')) at = at.entries.get(name)
  return at
}

const main = [
  ['driver pid', 'os.getpid()'],
  ['mkdir', "os.mkdir(p('directory'), 0o751)"],
  ['mknod fifo', "os.mknod(p('fifo'), stat.S_IFIFO | 0o640)"],
  ['mknod device', "os.mknod(p('device'), stat.S_IFCHR | 0o600, os.makedev(0x123, 0x45678))"],
  ['symlink', "os.symlink('../to/ä target', p('symlink'))"],
  ['readlink', "os.readlink(f'{m}/symlink')"],
  ['create', create('directory/file')],
  ['write', "os.pwrite(kept['f'], b'written bytes', 5)"],
  ['read', "os.pread(kept['f'], 100, 0).hex()"],
  ['fsync', "os.fsync(kept['f'])"],
  ['fdatasync', "os.fdatasync(kept['f'])"],
  ['syncfs', "call('syncfs', kept['f'])"], // sends nothing
  ['ftruncate', "os.ftruncate(kept['f'], 12)"],
  ['stat', "status(os.stat(p('directory/file')))"],
  ['statx', "statx('directory/file', 0, 0xfff)"],
  ['close', close()],
  ['open', "keep('f', os.open(p('directory/file'), os.O_RDWR | os.O_APPEND))"],
  ['open truncating', "os.close(os.open(p('directory/file'), os.O_WRONLY | os.O_TRUNC))"],
  ['create exclusively', "os.close(os.open(p('exclusive'), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o4755))"],
  ['chmod', "os.chmod(p('directory/file'), 0o2755)"],
  ['chown', "os.chown(p('directory/file'), 1234, 5678)"],
  ['truncate', "os.truncate(p('directory/file'), 0x1234)"],
  ['utimens', "os.utime(p('directory/file'), ns=(1500000000_000000001, 2500000000_999999999))"],
  ['utimens before 1970', "os.utime(p('directory/file'), ns=(-1_500000000, -3000000000_250000000))"],
  ['utimens now', "os.utime(p('directory/file'))"],
  ['stat after utimens', "status(os.stat(p('directory/file')))"],
  ['link', "os.link(p('directory/file'), p('linked'))"],
  ['rename', "os.rename(p('linked'), p('directory/renamed'))"],
  ['rename without replacing', "renameat2('directory/renamed', 'again', 1)"],
  ['exchange', "renameat2('device', 'symlink', 2)"],
  ['tmpfile', "keep('t', os.open(m, os.O_TMPFILE | os.O_RDWR, 0o600))"],
  [
    'link tmpfile',
    "call('linkat', -100, f'/proc/self/fd/{kept[\"t\"]}'.encode(), -100, p('was-unnamed'), 0x400)",
  ],
  ['statfs', 'list(os.statvfs(m))[:-1]'],
  ['lookup absent', "os.stat(p('nothing here'))"],
  ['lookup absent, remembered', "os.stat(p('absent for a minute'))"],
  ['lookup bytes', "os.stat(m.encode() + b'/no UTF-8: \\xff\\xc3')"],
  ['setxattr', "os.setxattr(p('again'), 'user.colour', b'\\x00blue\\xff', os.XATTR_CREATE)"],
  ['getxattr size', "call('getxattr', p('again'), b'user.colour', None, 0)"],
  ['getxattr', "os.getxattr(p('again'), 'user.colour').hex()"],
  ['getxattr absent', "os.getxattr(p('again'), 'user.absent')"],
  ['listxattr', "os.listxattr(p('again'))"],
  ['removexattr', "os.removexattr(p('again'), 'user.colour')"],
  ['opendir', "keep('d', os.open(m, os.O_RDONLY | os.O_DIRECTORY))"],
  ['readdir', "sorted(os.listdir(kept['d']))"],
  ['fsyncdir', "os.fsync(kept['d'])"],
  ['fdatasync directory', "os.fdatasync(kept['d'])"],
  ['ioctl directory', "control(kept['d'], 0xC0084802, b'01234567')"],
  ['releasedir', close('d')],
  ['ioctl', "control(kept['f'], 0xC0104801, b'0123456789abcdef')"],
  ['ioctl flags', "control(kept['f'], 0x80086601, bytes(8))"],
  ['getlk', "lock(kept['f'], fcntl.F_GETLK, fcntl.F_RDLCK, 10, 20)"],
  ['setlk', "lock(kept['f'], fcntl.F_SETLK, fcntl.F_RDLCK, 0x1_0000_0000, 20)"],
  ['setlk to the end', "lock(kept['f'], fcntl.F_SETLK, fcntl.F_RDLCK, 30, 0)"],
  ['unlock', "lock(kept['f'], fcntl.F_SETLK, fcntl.F_UNLCK, 0, 0)"],
  ['setlkw interrupted', "interrupted(lambda: lock(kept['f'], fcntl.F_SETLKW, fcntl.F_WRLCK, 1, 1))"],
  ['flock', "fcntl.flock(kept['f'], fcntl.LOCK_EX)", { go: true }],
  ['flock without waiting', "fcntl.flock(kept['f'], fcntl.LOCK_SH | fcntl.LOCK_NB)"],
  ['fallocate', "fallocate(kept['f'], 0, 0x1000, 0x2000)"],
  ['punch', "fallocate(kept['f'], 3, 0x1000, 0x800)"],
  ['seek data', "os.lseek(kept['f'], 0x800, os.SEEK_DATA)"],
  ['seek hole', "os.lseek(kept['f'], 0x900, os.SEEK_HOLE)"],
  ['copy', "copy(kept['f'], 16, kept['t'], 0x1_0000, 0x800)"],
  ['poll', "wait(kept['f'], select.POLLIN, 5000)"],
  [
    'read interrupted',
    "interrupted(lambda: os.read(kept['w'], 100))",
    {
      before: "keep('w', os.open(p('slow'), os.O_CREAT | os.O_RDWR)) or os.pwrite(kept['w'], b'x' * 64, 0)",
      waits: 'slow',
    },
  ],
  ['close flocked', close()],
  // As a user that may not keep set-id bits.
  [
    'prepare set-id',
    "(os.chmod(p('exclusive'), 0o6777), os.chown(p('exclusive'), 1000, 1001), os.chmod(p('exclusive'), 0o6777))",
  ],
  [
    'write kills set-id',
    "as_user(1000, 1000, [], lambda: os.pwrite((keep('k', os.open(p('exclusive'), os.O_WRONLY)), kept['k'])[1], b'k', 0))",
  ],
  ['truncate kills set-id', "as_user(1000, 1000, [], lambda: os.truncate(p('exclusive'), 3))"],
  [
    'open kills set-id',
    "as_user(1000, 1000, [], lambda: os.close(os.open(p('exclusive'), os.O_WRONLY | os.O_TRUNC)))",
  ],
  [
    'set an ACL',
    "as_user(1000, 1000, [], lambda: os.setxattr(p('exclusive'), 'system.posix_acl_access', bytes.fromhex('0200000001000600ffffffff02000600d204000004000400ffffffff10000600ffffffff20000400ffffffff')))",
  ],
  ['get an ACL', "os.getxattr(p('exclusive'), 'system.posix_acl_access').hex()"],
  // Notifications.
  [
    'store',
    async (fs) => {
      fs.host.notifier.store(node(fs, 'slow').id, 0, Buffer.from('stored in the page cache'.padEnd(64)))
      await sleep(100)
    },
  ],
  ['read what was stored', "os.pread(kept['w'], 24, 0).decode()"],
  ['retrieve', async (fs) => (await fs.host.notifier.retrieve(node(fs, 'slow').id, 3, 15)).toString()],
  [
    'invalidate inode',
    async (fs) => {
      fs.host.notifier.invalidateInode(node(fs, 'slow').id, 0, 0)
      await sleep(100)
    },
  ],
  ['read after invalidation', "os.pread(kept['w'], 24, 0).decode()"],
  [
    'invalidate attributes',
    async (fs) => {
      fs.host.notifier.invalidateAttributes(node(fs, 'slow').id)
      await sleep(100)
    },
  ],
  [
    'invalidate entry',
    async (fs) => {
      fs.host.notifier.invalidateEntry(1, 'fifo')
      await sleep(100)
    },
  ],
  ['stat after invalidation', "os.stat(p('fifo')).st_ino"],
  [
    'expire entry',
    async (fs) => {
      fs.host.notifier.expireEntry(1, 'fifo')
      await sleep(100)
    },
  ],
  ['stat after expiry', "os.stat(p('fifo')).st_ino"],
  [
    'delete entry',
    async (fs) => {
      fs.host.notifier.deleteEntry(1, node(fs, 'device').id, 'device')
      await sleep(100)
    },
  ],
  [
    'increment epoch',
    async (fs) => {
      fs.host.notifier.incrementEpoch()
      await sleep(100)
    },
  ],
  ['stat after epoch', "os.stat(p('fifo')).st_ino"],
  [
    'prune',
    async (fs) => {
      fs.host.notifier.prune([node(fs, 'symlink').id])
      await sleep(100)
    },
  ],
  [
    'resend',
    "os.read(kept['w'], 100).decode()",
    {
      waits: 'slow',
      before: "os.posix_fadvise(kept['w'], 0, 0, os.POSIX_FADV_DONTNEED)",
      during: async (fs) => {
        fs.host.notifier.resend()
        await sleep(100)
        fs.go()
      },
    },
  ],
  ['close all', "[os.close(kept[name]) for name in 'tkw']"],
  ['forget', "os.unlink(p('fifo'))"],
  ['make many', "[os.mkdir(p(f'many{i}')) for i in range(4)] and None"],
  [
    'forget many',
    async (fs) => {
      for (let i = 0; i < 4; i++) fs.host.notifier.invalidateEntry(1, `many${i}`)
      // The kernel queues what it forgets while nobody reads.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300)
      await sleep(50)
    },
  ],
  ['rmdir', "os.rmdir(p('many0'))"],
  ['unlink', "os.unlink(p('exclusive'))"],
]

const user = (action) => `as_user(1000, 1000, [4242], lambda: ${action})`
const extensions = [
  [
    'prepare',
    "(os.mkdir(p('shared'), 0o777), os.chown(p('shared'), 0, 4242), os.chmod(p('shared'), 0o2777)) and None",
  ],
  ['mkdir', user("os.mkdir(p('shared/d'))")],
  ['mknod', user("os.mknod(p('shared/no'), stat.S_IFIFO | 0o640)")],
  ['symlink', user("os.symlink('target', p('shared/sym'))")],
  ['create', user(create('shared/file'))],
  ['tmpfile', user("os.close(os.open(p('shared'), os.O_TMPFILE | os.O_RDWR))")],
  ['mkdir as root', "os.mkdir(p('shared/root'))"],
  ['close', close()],
]

const oldest = [
  ['create', create('file')],
  ['write', "os.pwrite(kept['f'], b'0123456789', 0)"],
  ['setxattr', "os.setxattr(p('file'), 'user.short', b'value', os.XATTR_REPLACE)"],
  ['getxattr', "os.getxattr(p('file'), 'user.short').hex()"],
  ['statx', "statx('file', 0, 0xfff)[:8]"],
  ['copy', "copy(kept['f'], 2, kept['f'], 20, 5)"],
  ['readdir', 'os.listdir(m)'],
  // POSIX_ACL would have the kernel decide.
  ['access', "os.access(p('file'), os.R_OK | os.X_OK)"],
  ['read', "os.pread(kept['f'], 100, 0).hex()"],
  ['close', close()],
]

const writeback = [
  ['create', create('file')],
  ['write', "os.pwrite(kept['f'], b'written back', 3)"],
  ['fsync', "os.fsync(kept['f'])"],
  ['append a byte', "os.pwrite(kept['f'], b'!', 100)"],
  ['close', close()],
  ['stat', "status(os.stat(p('file')))['st_size']"],
]

const block = [
  ['create', create('file')],
  ['write', "os.pwrite(kept['f'], b'x' * 2048, 0)"],
  ['bmap', "struct.unpack('i', bytes.fromhex(control(kept['f'], 1, struct.pack('i', 3))))[0]"],
  ['close', close()],
]

export const mounts = [
  {
    name: 'main',
    steps: main,
    features: {
      posixLocks: true,
      flockLocks: true,
      posixAcl: true,
      handleKillPriv: true,
      atomicTruncate: true,
      dontMask: true,
      readdirplus: 'always',
      cacheSymlinks: false,
      exportSupport: false,
    },
  },
  {
    name: 'extensions',
    steps: extensions,
    features: { securityContexts: true, supplementaryGroup: true, dontMask: true },
  },
  {
    name: 'oldest',
    steps: oldest,
    features: { minor: 31, readdirplus: 'never' },
    without: ['statx', 'tmpfile', 'readdirplus'],
    refuse64: true,
  },
  { name: 'writeback', steps: writeback, features: { writebackCache: true }, attrTimeout: 3600 },
  { name: 'block', steps: block, features: {}, type: 'fuseblk' },
]
