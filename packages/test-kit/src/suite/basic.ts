import { deepEqual, equal, notEqual } from 'node:assert/strict'
import {
  content,
  create,
  directory,
  fails,
  ok,
  pattern,
  status,
  text,
  tick,
  withFile,
} from '../assertions.js'
import type { ConformanceCase } from '../case.js'
import { constants as c } from '../native.js'
import * as posix from '../posix.js'

export const cases: ConformanceCase[] = [
  {
    name: 'a new file is empty, has one link, the mode less the umask, and the identity of its maker',
    run(t) {
      posix.umask(0o027)
      ok(posix.close(ok(posix.open(t.path('f'), c.O_CREAT | c.O_WRONLY, 0o666))))
      posix.umask(0o022)
      const { mode, nlink, size, blocks, uid } = status(t.path('f'))
      equal(mode, c.S_IFREG | 0o640)
      deepEqual([nlink, size, blocks, uid], [1, 0, 0, process.geteuid!()])
    },
  },
  {
    name: 'what is written is read back, in and across pages, whatever the order of the writes',
    run(t) {
      const bytes = pattern(300_000)
      return withFile(t.path('f'), c.O_CREAT | c.O_RDWR, (fd) => {
        for (const [from, to] of [
          [200_001, 300_000],
          [0, 4095],
          [4095, 4097],
          [4097, 131_073],
          [131_073, 200_001],
        ]) {
          equal(ok(posix.pwrite(fd, bytes.subarray(from, to), from)), to - from)
        }
        deepEqual(content(t.path('f')), bytes)
        for (const at of [0, 1, 4095, 4096, 131_071, 299_999]) {
          deepEqual(ok(posix.pread(fd, 5000, at)), bytes.subarray(at, at + 5000))
        }
        equal(ok(posix.pread(fd, 10, 300_000)).length, 0, 'at the end')
        equal(ok(posix.pread(fd, 10, 400_000)).length, 0, 'beyond the end')
      })
    },
  },
  {
    name: 'read and write move the position, pread and pwrite do not, and a duplicate shares it',
    run(t) {
      return withFile(t.path('f'), c.O_CREAT | c.O_RDWR, (fd) => {
        ok(posix.write(fd, 'hello world'))
        equal(posix.lseek(fd, 0, c.SEEK_CUR), 11)
        ok(posix.pwrite(fd, 'J', 0))
        ok(posix.pread(fd, 3, 2))
        equal(posix.lseek(fd, 0, c.SEEK_CUR), 11)
        const duplicate = ok(posix.fcntl(fd, c.F_DUPFD, 0))
        equal(posix.lseek(fd, 6, c.SEEK_SET), 6)
        equal(ok(posix.read(duplicate, 5)).toString(), 'world')
        equal(posix.lseek(fd, 0, c.SEEK_CUR), 11)
        equal(posix.lseek(fd, -5, c.SEEK_END), 6)
        fails(posix.lseek(fd, -1, c.SEEK_SET), 'EINVAL')
        posix.close(duplicate)
        equal(text(t.path('f')), 'Jello world')
      })
    },
  },
  {
    name: 'a descriptor does only what it was opened for',
    async run(t) {
      create(t.path('f'), 'data')
      await withFile(t.path('f'), c.O_RDONLY, (fd) => {
        fails(posix.write(fd, 'x'), 'EBADF')
        fails(posix.ftruncate(fd, 0), 'EINVAL')
      })
      await withFile(t.path('f'), c.O_WRONLY, (fd) => fails(posix.read(fd, 1), 'EBADF'))
      await withFile(t.path('f'), c.O_PATH, (fd) => {
        fails(posix.read(fd, 1), 'EBADF')
        fails(posix.fchmod(fd, 0o600), 'EBADF')
        equal(ok(posix.fstat(fd)).size, 4)
      })
      await withFile(t.directory, c.O_RDONLY, (fd) => fails(posix.read(fd, 1), 'EISDIR'))
    },
  },
  {
    name: 'O_TRUNC empties an existing file and O_EXCL refuses one',
    run(t) {
      create(t.path('f'), 'content')
      fails(posix.open(t.path('f'), c.O_CREAT | c.O_EXCL | c.O_WRONLY, 0o644), 'EEXIST')
      equal(text(t.path('f')), 'content')
      ok(posix.close(ok(posix.open(t.path('f'), c.O_WRONLY | c.O_TRUNC))))
      equal(status(t.path('f')).size, 0)
    },
  },
  {
    name: 'O_CREAT with a read-only mode still gives its maker a writable descriptor',
    run(t) {
      return withFile(
        t.path('f'),
        c.O_CREAT | c.O_RDWR | c.O_EXCL,
        (fd) => {
          ok(posix.write(fd, 'x'))
          equal(status(t.path('f')).mode & 0o777, 0)
        },
        0,
      )
    },
  },
  {
    name: 'of many processes that create a file exclusively, one wins',
    async run(t) {
      const peers = await Promise.all([0, 1, 2, 3].map((index) => t.process(index)))
      const won = await Promise.all(peers.map((peer) => peer.sys.createExclusively(t.directory, 100)))
      for (const count of won) ok(count)
      equal(
        won.reduce((sum, count) => sum + count, 0),
        100,
      )
    },
  },
  {
    name: 'a directory has the links of its subdirectories as the reference has',
    async run(t) {
      await t.compare((base) => {
        const links = [status(base).nlink]
        directory(`${base}/a`)
        directory(`${base}/a/b`)
        links.push(status(base).nlink, status(`${base}/a`).nlink, status(`${base}/a/b`).nlink)
        ok(posix.rmdir(`${base}/a/b`))
        links.push(status(`${base}/a`).nlink)
        return links
      })
    },
  },
  {
    name: 'names appear in the listing with their types when made and vanish when removed',
    run(t) {
      create(t.path('file'))
      directory(t.path('directory'))
      ok(posix.symlink('x', t.path('link')))
      ok(posix.mkfifo(t.path('fifo')))
      return withFile(t.directory, c.O_RDONLY | c.O_DIRECTORY, (fd) => {
        const types = new Map(ok(posix.readAllEntries(fd)).map((entry) => [entry.name.toString(), entry]))
        deepEqual([...types.keys()].sort(), ['.', '..', 'directory', 'fifo', 'file', 'link'])
        for (const name of ['file', 'directory', 'link', 'fifo']) {
          const entry = types.get(name)!
          const { mode, ino } = status(t.path(name))
          // 0 is DT_UNKNOWN: allowed, as not every filesystem knows.
          if (entry.type !== 0) equal(entry.type, mode >> 12, name)
          equal(entry.ino, ino, `inode number of ${name}`)
        }
        for (const name of ['file', 'link', 'fifo']) ok(posix.unlink(t.path(name)))
        ok(posix.rmdir(t.path('directory')))
        deepEqual(posix.list(t.directory), [])
      })
    },
  },
  {
    name: 'the inode number stays the same, and differs between files',
    run(t) {
      create(t.path('a'))
      create(t.path('b'))
      const before = status(t.path('a')).ino
      notEqual(before, status(t.path('b')).ino)
      ok(posix.rename(t.path('a'), t.path('c')))
      ok(posix.chmod(t.path('c'), 0o600))
      equal(status(t.path('c')).ino, before)
    },
  },
  {
    name: 'two descriptors of one file see each other at once, and so does another process',
    async run(t) {
      const other = await t.process()
      await withFile(t.path('f'), c.O_CREAT | c.O_RDWR, async (one) => {
        const fd = ok(await other.sys.open(t.path('f'), c.O_RDWR))
        for (let i = 0; i < 20; i++) {
          ok(posix.pwrite(one, `from one ${i}`, i * 100))
          equal(ok(await other.sys.pread(fd, 100, i * 100)).toString(), `from one ${i}`)
          ok(await other.sys.pwrite(fd, `from two ${i}`, i * 100 + 50))
          equal(ok(posix.pread(one, 100, i * 100 + 50)).toString(), `from two ${i}`)
        }
        equal(ok(posix.fstat(one)).size, ok(await other.sys.fstat(fd)).size)
      })
    },
  },
  {
    name: 'a name that did not exist is found once another process makes it, and missed once it removes it',
    async run(t) {
      const other = await t.process()
      for (let i = 0; i < 10; i++) {
        fails(posix.lstat(t.path('f')), 'ENOENT')
        const fd = ok(await other.sys.open(t.path('f'), c.O_CREAT | c.O_WRONLY, 0o644))
        ok(await other.sys.close(fd))
        ok(posix.lstat(t.path('f')))
        ok(await other.sys.unlink(t.path('f')))
      }
    },
  },
  {
    name: 'size is right after each append through another descriptor',
    run(t) {
      create(t.path('f'))
      return withFile(t.path('f'), c.O_WRONLY | c.O_APPEND, async (fd) => {
        for (let i = 1; i <= 50; i++) {
          ok(posix.write(fd, 'x'.repeat(100)))
          equal(status(t.path('f')).size, i * 100)
        }
        await tick()
        equal(status(t.path('f')).size, 5000)
      })
    },
  },
  {
    name: 'a write of zero bytes changes nothing and a read of zero bytes returns nothing',
    run(t) {
      create(t.path('f'), 'abc')
      return withFile(t.path('f'), c.O_RDWR, (fd) => {
        equal(posix.pwrite(fd, '', 100), 0)
        equal(ok(posix.pread(fd, 0, 0)).length, 0)
        equal(status(t.path('f')).size, 3)
      })
    },
  },
  {
    name: 'one megabyte and more goes through a single write and a single read',
    run(t) {
      const bytes = pattern(3 * 1024 * 1024 + 17)
      return withFile(t.path('f'), c.O_CREAT | c.O_RDWR, (fd) => {
        equal(posix.pwrite(fd, bytes, 0), bytes.length)
        deepEqual(ok(posix.pread(fd, bytes.length + 100, 0)), bytes)
      })
    },
  },
  {
    name: 'sendfile and splice carry bytes out of a file and into one',
    async run(t) {
      const bytes = pattern(100_000)
      create(t.path('from'), bytes)
      await withFile(t.path('from'), c.O_RDONLY, (from) =>
        withFile(t.path('to'), c.O_CREAT | c.O_RDWR, (to) => {
          for (let sent = 0; sent < bytes.length; ) {
            const some = ok(posix.rawCall(c.SYS_sendfile, to, from, null, bytes.length - sent))
            if (some === 0) break
            sent += some
          }
          deepEqual(content(t.path('to')), bytes)
          const ends = Buffer.alloc(8)
          ok(posix.rawCall(c.SYS_pipe2, ends, c.O_CLOEXEC))
          const [reader, writer] = [ends.readInt32LE(0), ends.readInt32LE(4)]
          posix.lseek(from, 5, c.SEEK_SET)
          posix.lseek(to, 50, c.SEEK_SET)
          const moved = ok(posix.rawCall(c.SYS_splice, from, null, writer, null, 3000, 0))
          equal(posix.rawCall(c.SYS_splice, reader, null, to, null, moved, 0), moved)
          deepEqual(ok(posix.pread(to, moved, 50)), bytes.subarray(5, 5 + moved))
          posix.close(reader)
          posix.close(writer)
        }),
      )
    },
  },
]
