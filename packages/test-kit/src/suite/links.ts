import { deepEqual, equal } from 'node:assert/strict'
import { create, directory, fails, ok, outcome, permissions, status, text, withFile } from '../assertions.js'
import type { ConformanceCase } from '../case.js'
import { constants as c } from '../native.js'
import * as posix from '../posix.js'

export const cases: ConformanceCase[] = [
  {
    name: 'hard: all names show one file: inode number, links, content, mode, times',
    run(t) {
      create(t.path('a'), 'first')
      directory(t.path('d'))
      ok(posix.link(t.path('a'), t.path('b')))
      ok(posix.link(t.path('b'), t.path('d/c')))
      const names = ['a', 'b', 'd/c'].map(t.path)
      const same = () => {
        const [first, ...others] = names.map((name) => status(name))
        for (const other of others) deepEqual(other, first)
        return first
      }
      equal(same().nlink, 3)
      create(names[1], 'second and longer')
      for (const name of names) equal(text(name), 'second and longer')
      ok(posix.chmod(names[2], 0o600))
      ok(posix.utimens(names[0], 1n, 2n))
      deepEqual([same().mode & 0o777, same().mtime], [0o600, 2n])
      ok(posix.unlink(names[0]))
      names.shift()
      equal(same().nlink, 2)
      equal(text(names[1]), 'second and longer')
    },
  },
  {
    name: 'hard: what one descriptor writes, the other name’s shows at once',
    async run(t) {
      create(t.path('a'), 'x')
      ok(posix.link(t.path('a'), t.path('b')))
      await withFile(t.path('a'), c.O_RDWR, (a) =>
        withFile(t.path('b'), c.O_RDWR, (b) => {
          for (let i = 0; i < 20; i++) {
            ok(posix.pwrite(a, `from a ${i}`, i * 5000))
            equal(ok(posix.pread(b, 20, i * 5000)).toString(), `from a ${i}`)
            ok(posix.ftruncate(b, i * 5000 + 3))
            equal(ok(posix.fstat(a)).size, i * 5000 + 3)
          }
        }),
      )
    },
  },
  {
    name: 'hard: through a name another process made, and after another process removed one',
    async run(t) {
      create(t.path('a'), 'x')
      const { sys } = await t.process()
      ok(await sys.link(t.path('a'), t.path('b')))
      equal(status(t.path('a')).nlink, 2)
      equal(status(t.path('b')).ino, status(t.path('a')).ino)
      ok(await sys.unlink(t.path('a')))
      fails(posix.lstat(t.path('a')), 'ENOENT')
      equal(status(t.path('b')).nlink, 1)
    },
  },
  {
    name: 'hard: symlinks, fifos and sockets can be linked as well',
    run(t) {
      ok(posix.symlink('target', t.path('symlink')))
      ok(posix.mkfifo(t.path('fifo')))
      ok(posix.mknod(t.path('socket'), c.S_IFSOCK | 0o600))
      for (const name of ['symlink', 'fifo', 'socket']) {
        ok(posix.link(t.path(name), t.path(`${name}2`)))
        deepEqual(status(t.path(`${name}2`)), status(t.path(name)))
        equal(status(t.path(name)).nlink, 2)
      }
    },
  },
  {
    name: 'hard: AT_SYMLINK_FOLLOW links the target, without it the symlink',
    run(t) {
      create(t.path('f'), 'x')
      ok(posix.symlink('f', t.path('s')))
      ok(posix.link(t.path('s'), t.path('to-link')))
      ok(posix.link(t.path('s'), t.path('to-file'), c.AT_SYMLINK_FOLLOW))
      equal(status(t.path('to-link')).ino, status(t.path('s')).ino)
      equal(status(t.path('to-file')).ino, status(t.path('f')).ino)
    },
  },
  {
    name: 'hard: five hundred names of one file',
    run(t) {
      create(t.path('0'), 'x')
      const { ino } = status(t.path('0'))
      ok(posix.chdir(t.directory))
      for (let index = 1; index < 500; index++) ok(posix.link('0', String(index)))
      equal(status(t.path('250')).nlink, 500)
      return withFile(t.directory, c.O_RDONLY, (fd) => {
        const entries = ok(posix.readAllEntries(fd)).filter((entry) => !entry.name.toString().startsWith('.'))
        equal(entries.length, 500)
        for (const entry of entries) equal(entry.ino, ino)
        for (let index = 0; index < 499; index++) ok(posix.unlink(String(index)))
        equal(status(t.path('499')).nlink, 1)
      })
    },
  },
  {
    name: 'symbolic: holds any text up to 4095 bytes, and its size is its length',
    async run(t) {
      for (const length of [1, 59, 60, 61, 255, 256, 1000, 4095]) {
        const target = Buffer.alloc(length, 't')
        ok(posix.symlink(target, t.path(`l${length}`)))
        deepEqual(ok(posix.readlink(t.path(`l${length}`), 5000)), target)
        equal(status(t.path(`l${length}`)).size, length)
      }
      const bytes = Buffer.from([0xff, 0x0a, 0x80, 0x2f, 0x2f, 0x20])
      ok(posix.symlink(bytes, t.path('bytes')))
      deepEqual(ok(posix.readlink(t.path('bytes'))), bytes)
      fails(posix.symlink('', t.path('empty')), 'ENOENT')
      fails(posix.symlink('t'.repeat(4096), t.path('long')), 'ENAMETOOLONG')
    },
  },
  {
    name: 'symbolic: readlink fills what room there is, and is EINVAL on other things',
    run(t) {
      ok(posix.symlink('abcdef', t.path('l')))
      equal(ok(posix.readlink(t.path('l'), 3)).toString(), 'abc')
      create(t.path('f'))
      fails(posix.readlink(t.path('f')), 'EINVAL')
      fails(posix.readlink(t.path('l'), 0), 'EINVAL')
    },
  },
  {
    name: 'symbolic: is followed in the middle and at the end, relative to where it stands',
    run(t) {
      directory(t.path('d'))
      create(t.path('d/f'), 'inside')
      ok(posix.symlink('d', t.path('to-d')))
      ok(posix.symlink('f', t.path('d/to-f')))
      ok(posix.symlink('../to-d/to-f', t.path('d/around')))
      ok(posix.symlink(t.path('d/f'), t.path('absolute')))
      for (const name of ['to-d/f', 'd/to-f', 'to-d/to-f', 'd/around', 'absolute'])
        equal(text(t.path(name)), 'inside')
      ok(posix.rename(t.path('d/to-f'), t.path('to-f')))
      fails(posix.open(t.path('to-f'), c.O_RDONLY), 'ENOENT')
    },
  },
  {
    name: 'symbolic: lstat and stat tell it from its target, and chmod and chown without l reach the target',
    run(t) {
      create(t.path('f'), 'abc', 0o600)
      ok(posix.symlink('f', t.path('l')))
      const link = status(t.path('l'))
      equal(link.mode, c.S_IFLNK | 0o777)
      equal(ok(posix.stat(t.path('l'))).ino, status(t.path('f')).ino)
      ok(posix.chmod(t.path('l'), 0o640))
      equal(permissions(t.path('f')), 0o640)
      equal(status(t.path('l')).mode, link.mode)
      ok(posix.truncate(t.path('l'), 1))
      equal(status(t.path('f')).size, 1)
      ok(posix.unlink(t.path('l')))
      ok(posix.lstat(t.path('f')))
    },
  },
  {
    name: 'symbolic: dangling ones exist for lstat, readlink and unlink only',
    run(t) {
      ok(posix.symlink('nowhere', t.path('l')))
      ok(posix.lstat(t.path('l')))
      for (const result of [
        posix.stat(t.path('l')),
        posix.open(t.path('l'), c.O_RDONLY),
        posix.chmod(t.path('l'), 0),
        posix.access(t.path('l'), c.F_OK),
        posix.list(t.path('l')),
      ]) {
        fails(result, 'ENOENT')
      }
      ok(posix.unlink(t.path('l')))
    },
  },
  {
    name: 'symbolic: a chain replaced under a reader leads to one target or the other',
    async run(t) {
      create(t.path('one'), 'one')
      create(t.path('two'), 'two')
      ok(posix.symlink('one', t.path('l')))
      for (let index = 0; index < 100; index++) {
        ok(posix.symlink(index % 2 ? 'one' : 'two', t.path('new')))
        ok(posix.rename(t.path('new'), t.path('l')))
        equal(text(t.path('l')), index % 2 ? 'one' : 'two')
      }
    },
  },
  {
    name: 'special: a fifo carries bytes between two processes and keeps none',
    async run(t) {
      ok(posix.mkfifo(t.path('fifo'), 0o600))
      equal(status(t.path('fifo')).mode, c.S_IFIFO | 0o600)
      fails(posix.open(t.path('fifo'), c.O_WRONLY | c.O_NONBLOCK), 'ENXIO')
      const { sys } = await t.process()
      const reader = ok(posix.open(t.path('fifo'), c.O_RDONLY | c.O_NONBLOCK))
      const writer = ok(await sys.open(t.path('fifo'), c.O_WRONLY))
      ok(await sys.write(writer, 'through the pipe'))
      equal(ok(posix.read(reader, 100)).toString(), 'through the pipe')
      fails(posix.read(reader, 1), 'EAGAIN')
      ok(await sys.close(writer))
      equal(ok(posix.read(reader, 1)).length, 0)
      fails(posix.lseek(reader, 0, c.SEEK_SET), 'ESPIPE')
      posix.close(reader)
      equal(status(t.path('fifo')).size, 0)
    },
  },
  {
    name: 'special: a socket node exists and cannot be opened',
    run(t) {
      ok(posix.mknod(t.path('socket'), c.S_IFSOCK | 0o640))
      equal(status(t.path('socket')).mode, c.S_IFSOCK | 0o640)
      fails(posix.open(t.path('socket'), c.O_RDWR), 'ENXIO')
    },
  },
  {
    name: 'special: a listening socket takes connections',
    async run(t) {
      const { createServer, connect } = await import('node:net')
      const server = createServer((connection) => connection.end('hello'))
      // The address of a socket has room for 107 bytes.
      process.chdir(t.directory)
      try {
        await new Promise<void>((resolve, reject) => server.once('error', reject).listen('s', resolve))
        equal(status('s').mode & c.S_IFMT, c.S_IFSOCK)
        const said = await new Promise<string>((resolve, reject) => {
          let all = ''
          const client = connect('s')
          client.on('data', (data) => {
            all += data
          })
          client.once('end', () => resolve(all)).once('error', reject)
        })
        equal(said, 'hello')
      } finally {
        await new Promise((resolve) => server.close(resolve))
        process.chdir('/')
      }
    },
  },
  {
    name: 'special: devices keep their numbers, as on the reference',
    requires: ['root', 'device'],
    async run(t) {
      const made = await t.compare((base) => {
        ok(posix.mknod(`${base}/null`, c.S_IFCHR | 0o644, 1, 3))
        ok(posix.mknod(`${base}/large`, c.S_IFBLK | 0o600, 4000, 1_000_000))
        return ['null', 'large'].map((name) => [
          status(`${base}/${name}`).mode,
          status(`${base}/${name}`).rdev,
        ])
      })
      deepEqual(made, [
        [c.S_IFCHR | 0o644, '1:3'],
        [c.S_IFBLK | 0o600, '4000:1000000'],
      ])
    },
  },
  {
    name: 'special: mknod makes plain files, and devices only for the superuser',
    async run(t) {
      ok(posix.mknod(t.path('f'), c.S_IFREG | 0o640))
      equal(status(t.path('f')).mode, c.S_IFREG | 0o640)
      if (!t.capabilities.has('users')) return
      directory(t.path('d'), 0o777)
      const { sys } = await t.as(t.users.other)
      equal(outcome(await sys.mknod(t.path('d/device'), c.S_IFCHR | 0o600, 1, 3)), 'EPERM')
      equal(outcome(await sys.mknod(t.path('d/file'), c.S_IFREG | 0o600)), 'ok')
    },
  },
]
