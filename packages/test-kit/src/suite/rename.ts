import { deepEqual, equal } from 'node:assert/strict'
import { create, directory, fails, ok, status, text, withFile } from '../assertions.js'
import type { ConformanceCase } from '../case.js'
import { constants as c } from '../native.js'
import * as posix from '../posix.js'

const { RENAME_NOREPLACE: noReplace, RENAME_EXCHANGE: exchange, RENAME_WHITEOUT: whiteout } = c

export const cases: ConformanceCase[] = [
  {
    name: 'a file moves, within a directory and to another, and replaces a file',
    run(t) {
      create(t.path('a'), 'a')
      directory(t.path('d'))
      create(t.path('d/b'), 'old')
      const { ino } = status(t.path('a'))
      ok(posix.rename(t.path('a'), t.path('a2')))
      ok(posix.rename(t.path('a2'), t.path('d/b')))
      fails(posix.lstat(t.path('a')), 'ENOENT')
      fails(posix.lstat(t.path('a2')), 'ENOENT')
      equal(text(t.path('d/b')), 'a')
      equal(status(t.path('d/b')).ino, ino)
      deepEqual(posix.list(t.directory), ['d'])
    },
  },
  {
    name: 'a directory moves with what is in it, and .. leads to the new parent',
    run(t) {
      for (const name of ['a', 'a/sub', 'b']) directory(t.path(name))
      create(t.path('a/sub/f'), 'x')
      const { nlink } = status(t.path('b'))
      ok(posix.rename(t.path('a/sub'), t.path('b/moved')))
      equal(text(t.path('b/moved/f')), 'x')
      equal(status(t.path('b/moved/..')).ino, status(t.path('b')).ino)
      if (nlink > 1) equal(status(t.path('b')).nlink, nlink + 1)
      deepEqual(posix.list(t.path('a')), [])
    },
  },
  {
    name: 'a directory replaces an empty directory only',
    run(t) {
      for (const name of ['a', 'empty', 'full']) directory(t.path(name))
      create(t.path('a/f'))
      create(t.path('full/g'))
      fails(posix.rename(t.path('a'), t.path('full')), 'ENOTEMPTY', 'EEXIST')
      ok(posix.rename(t.path('a'), t.path('empty')))
      deepEqual(posix.list(t.path('empty')), ['f'])
    },
  },
  {
    name: 'a directory does not replace a file, nor a file a directory',
    run(t) {
      directory(t.path('d'))
      create(t.path('f'))
      fails(posix.rename(t.path('d'), t.path('f')), 'ENOTDIR')
      fails(posix.rename(t.path('f'), t.path('d')), 'EISDIR')
      deepEqual(posix.list(t.directory), ['d', 'f'])
    },
  },
  {
    name: 'a directory does not move into itself or below itself',
    run(t) {
      directory(t.path('d'))
      directory(t.path('d/e'))
      fails(posix.rename(t.path('d'), t.path('d/x')), 'EINVAL')
      fails(posix.rename(t.path('d'), t.path('d/e/x')), 'EINVAL')
      fails(posix.rename(t.path('d/e'), t.path('d')), 'ENOTEMPTY', 'EEXIST')
      fails(posix.rename(t.path('d/.'), t.path('x')), 'EBUSY', 'EINVAL')
      fails(posix.rename(t.path('d/..'), t.path('x')), 'EBUSY', 'EINVAL')
      fails(posix.rename(t.path('d'), t.path('d/.')), 'EBUSY', 'EINVAL')
    },
  },
  {
    name: 'to its own name, or from one hard link to another of the same file, nothing happens',
    run(t) {
      create(t.path('a'), 'x')
      ok(posix.link(t.path('a'), t.path('b')))
      ok(posix.rename(t.path('a'), t.path('a')))
      ok(posix.rename(t.path('a'), t.path('b')))
      deepEqual(posix.list(t.directory), ['a', 'b'])
      equal(status(t.path('a')).nlink, 2)
      fails(posix.rename(t.path('a'), t.path('b'), noReplace), 'EEXIST')
    },
  },
  {
    name: 'NOREPLACE refuses an existing name of any kind and moves to a free one',
    run(t) {
      create(t.path('f'), 'x')
      create(t.path('g'))
      directory(t.path('d'))
      ok(posix.symlink('nowhere', t.path('dangling')))
      for (const name of ['g', 'd', 'dangling', 'f'])
        fails(posix.rename(t.path('f'), t.path(name), noReplace), 'EEXIST')
      fails(posix.rename(t.path('missing'), t.path('free'), noReplace), 'ENOENT')
      ok(posix.rename(t.path('f'), t.path('free'), noReplace))
      equal(text(t.path('free')), 'x')
    },
  },
  {
    name: 'EXCHANGE swaps two files, a file with a directory, and across directories',
    requires: ['exchange'],
    run(t) {
      create(t.path('a'), 'A')
      create(t.path('b'), 'B')
      directory(t.path('d'))
      directory(t.path('d/e'))
      create(t.path('d/e/inside'), 'I')
      const inodes = [status(t.path('a')).ino, status(t.path('b')).ino]
      ok(posix.rename(t.path('a'), t.path('b'), exchange))
      deepEqual([text(t.path('a')), text(t.path('b'))], ['B', 'A'])
      deepEqual([status(t.path('b')).ino, status(t.path('a')).ino], inodes)
      ok(posix.rename(t.path('a'), t.path('d/e'), exchange))
      equal(text(t.path('d/e')), 'B')
      equal(text(t.path('a/inside')), 'I')
      equal(status(t.path('a/..')).ino, status(t.directory).ino)
    },
  },
  {
    name: 'EXCHANGE swaps two directories with what is in them, and a symlink',
    requires: ['exchange'],
    run(t) {
      for (const name of ['p', 'p/x', 'q', 'q/y']) directory(t.path(name))
      create(t.path('p/x/1'))
      create(t.path('q/y/2'))
      ok(posix.rename(t.path('p/x'), t.path('q/y'), exchange))
      deepEqual([posix.list(t.path('p/x')), posix.list(t.path('q/y'))], [['2'], ['1']])
      equal(status(t.path('p/x/..')).ino, status(t.path('p')).ino)
      ok(posix.symlink('target', t.path('link')))
      ok(posix.rename(t.path('link'), t.path('p/x'), exchange))
      equal(ok(posix.readlink(t.path('p/x'))).toString(), 'target')
      deepEqual(posix.list(t.path('link')), ['2'])
    },
  },
  {
    name: 'EXCHANGE needs both names, and neither below the other',
    requires: ['exchange'],
    run(t) {
      create(t.path('f'))
      directory(t.path('d'))
      create(t.path('d/inside'))
      fails(posix.rename(t.path('f'), t.path('missing'), exchange), 'ENOENT')
      fails(posix.rename(t.path('missing'), t.path('f'), exchange), 'ENOENT')
      fails(posix.rename(t.path('d'), t.path('d/inside'), exchange), 'EINVAL')
      fails(posix.rename(t.path('d/inside'), t.path('d'), exchange), 'EINVAL')
    },
  },
  {
    name: 'flags that contradict each other or mean nothing are EINVAL',
    run(t) {
      create(t.path('a'))
      create(t.path('b'))
      fails(posix.rename(t.path('a'), t.path('c'), noReplace | exchange), 'EINVAL')
      fails(posix.rename(t.path('a'), t.path('b'), exchange | whiteout), 'EINVAL')
      fails(posix.rename(t.path('a'), t.path('c'), 1 << 10), 'EINVAL')
    },
  },
  {
    name: 'open files and directories keep working under their new names, and the replaced file lives on',
    async run(t) {
      create(t.path('a'), 'aaa')
      create(t.path('b'), 'bbb')
      directory(t.path('d'))
      create(t.path('d/f'), 'f')
      await withFile(t.path('a'), c.O_RDWR, (a) =>
        withFile(t.path('b'), c.O_RDWR, (b) =>
          withFile(t.path('d'), c.O_RDONLY, (d) => {
            ok(posix.rename(t.path('a'), t.path('b')))
            ok(posix.pwrite(a, 'A', 0))
            equal(text(t.path('b')), 'Aaa')
            equal(ok(posix.pread(b, 3, 0)).toString(), 'bbb')
            equal(ok(posix.fstat(b)).nlink, 0)
            ok(posix.pwrite(b, 'gone', 0))
            equal(text(t.path('b')), 'Aaa')
            ok(posix.rename(t.path('d'), t.path('d2')))
            ok(posix.close(ok(posix.openat(d, 'f', c.O_RDONLY))))
            ok(posix.close(ok(posix.openat(d, 'new', c.O_CREAT | c.O_WRONLY, 0o644))))
            deepEqual(posix.list(t.path('d2')), ['f', 'new'])
          }),
        ),
      )
    },
  },
  {
    name: 'readers of a name that is replaced over and over always find a whole file',
    async run(t) {
      create(t.path('f'), 'a'.repeat(5000))
      const writer = await t.process()
      const replacing = writer.sys.replaceByRename(t.directory, 'f', 150, 5000)
      let done = false
      replacing.finally(() => {
        done = true
      })
      while (!done) {
        for (let i = 0; i < 20; i++) {
          const seen = text(t.path('f'))
          equal(seen, seen[0].repeat(5000))
        }
        await new Promise(setImmediate)
      }
      equal(await replacing, 150)
    },
  },
  {
    name: 'a symlink is moved itself, and replaced itself',
    run(t) {
      create(t.path('f'), 'x')
      ok(posix.symlink('f', t.path('link')))
      ok(posix.rename(t.path('link'), t.path('link2')))
      equal(ok(posix.readlink(t.path('link2'))).toString(), 'f')
      ok(posix.rename(t.path('f'), t.path('link2')))
      equal(text(t.path('link2')), 'x')
      deepEqual(posix.list(t.directory), ['link2'])
    },
  },
  {
    name: 'names that are missing or run through a file',
    run(t) {
      create(t.path('f'))
      directory(t.path('d'))
      fails(posix.rename(t.path('missing'), t.path('x')), 'ENOENT')
      fails(posix.rename(t.path('f'), t.path('missing/x')), 'ENOENT')
      fails(posix.rename(t.path('f/x'), t.path('x')), 'ENOTDIR')
      fails(posix.rename(t.path('d'), t.path('f/x')), 'ENOTDIR')
      fails(posix.rename(t.path('f'), t.path('x/')), 'ENOTDIR', 'ENOENT')
      ok(posix.rename(t.path('d'), t.path('e/')))
    },
  },
  {
    name: 'to another filesystem is EXDEV',
    run(t) {
      create(t.path('f'))
      fails(posix.rename(t.path('f'), '/proc/self/never'), 'EXDEV')
      fails(posix.link(t.path('f'), `/dev/never-${process.pid}`), 'EXDEV')
    },
  },
]
