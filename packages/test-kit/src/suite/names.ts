import { deepEqual, equal } from 'node:assert/strict'
import { create, directory, fails, ok, status, text, withFile } from '../assertions.js'
import type { CaseContext, ConformanceCase } from '../case.js'
import { constants as c } from '../native.js'
import * as posix from '../posix.js'
import { join } from '../tree.js'

// Makes a file and a directory of this name, finds them, lists them, renames and removes them.
function roundTrip(t: CaseContext, name: Buffer): void {
  const path = t.path(name)
  create(path, 'content')
  deepEqual(posix.list(t.directory), [name.toString('latin1')])
  equal(text(path), 'content')
  ok(posix.rename(path, t.path('plain')))
  ok(posix.rename(t.path('plain'), path))
  ok(posix.link(path, t.path('link')))
  equal(status(t.path('link')).ino, status(path).ino)
  ok(posix.unlink(t.path('link')))
  ok(posix.unlink(path))
  directory(path)
  create(join(path, name))
  deepEqual(posix.list(path), [name.toString('latin1')])
  ok(posix.unlink(join(path, name)))
  ok(posix.rmdir(path))
  ok(posix.symlink(name, path))
  deepEqual(ok(posix.readlink(path)), name)
  ok(posix.unlink(path))
  deepEqual(posix.list(t.directory), [])
}

export const cases: ConformanceCase[] = [
  {
    name: 'every byte but / and NUL may stand in a name',
    run(t) {
      const names: Buffer[] = []
      for (let byte = 1; byte < 256; byte++) if (byte !== 0x2f) names.push(Buffer.from([0x78, byte, 0x79]))
      ok(posix.chdir(t.directory))
      for (const name of names) create(name, name)
      deepEqual(posix.list(t.directory), names.map((name) => name.toString('latin1')).sort())
      for (const name of names) equal(text(name), name.toString('latin1'))
    },
  },
  ...(
    [
      ['newlines, tabs and control characters', Buffer.from('a\nb\tc\x01\x7f\r')],
      ['invalid UTF-8', Buffer.from([0xff, 0xfe, 0x80, 0xc3, 0x28])],
      ['a truncated UTF-8 sequence', Buffer.from([0x61, 0xe2, 0x82])],
      ['an overlong encoding and a surrogate', Buffer.from([0xc0, 0xaf, 0xed, 0xa0, 0x80])],
      ['the replacement character itself', Buffer.from('\ufffd')],
      ['spaces at both ends, quotes, backslashes and globs', Buffer.from(' "it\'s" \\* [?] ')],
      ['leading dots and a leading dash', Buffer.from('...-')],
      ['characters outside the basic plane', Buffer.from('😀🚢')],
      ['a name of 255 bytes', Buffer.alloc(255, 'n')],
      ['a name of 255 bytes in UTF-8', Buffer.from(`${'ü'.repeat(127)}x`)],
    ] as const
  ).map(([name, bytes]): ConformanceCase => ({ name, run: (t) => roundTrip(t, bytes) })),
  {
    name: 'composed and decomposed characters are different names, and so are cases',
    run(t) {
      for (const name of ['\u00e9', 'e\u0301', 'A', 'a']) create(t.path(name), name)
      for (const name of ['\u00e9', 'e\u0301', 'A', 'a'])
        equal(text(t.path(name)), Buffer.from(name).toString('latin1'))
      equal(ok(posix.list(t.directory)).length, 4)
    },
  },
  {
    name: 'a name of 256 bytes is ENAMETOOLONG for every call',
    run(t) {
      const long = t.path('n'.repeat(256))
      create(t.path('f'))
      for (const result of [
        posix.open(long, c.O_RDONLY),
        posix.open(long, c.O_CREAT | c.O_WRONLY, 0o644),
        posix.mkdir(long),
        posix.rmdir(long),
        posix.unlink(long),
        posix.lstat(long),
        posix.symlink('x', long),
        posix.readlink(long),
        posix.link(t.path('f'), long),
        posix.rename(t.path('f'), long),
        posix.rename(long, t.path('g')),
        posix.mkfifo(long),
        posix.chmod(long, 0o600),
        posix.truncate(long, 0),
        posix.access(long, c.F_OK),
        posix.lstat(`${long}/below`),
      ]) {
        fails(result, 'ENAMETOOLONG')
      }
      deepEqual(posix.list(t.directory), ['f'])
      equal(posix.pathconf(t.directory, c._PC_NAME_MAX), 255)
    },
  },
  {
    name: 'a path of PATH_MAX bytes is ENAMETOOLONG, and of one less is not',
    run(t) {
      ok(posix.chdir(t.directory))
      create('f')
      // ././ keeps the path valid at any length.
      const filler = (length: number) => `${'./'.repeat((length - 1) / 2)}f`
      ok(posix.lstat(filler(4095)))
      fails(posix.lstat(`.${'/'.repeat(4094)}f`), 'ENAMETOOLONG')
      posix.chdir('/')
    },
  },
  {
    name: 'an empty path is ENOENT',
    run() {
      for (const result of [posix.open('', c.O_RDONLY), posix.lstat(''), posix.mkdir(''), posix.unlink('')]) {
        fails(result, 'ENOENT')
      }
    },
  },
  {
    name: 'repeated slashes and dots lead to the same file',
    run(t) {
      directory(t.path('d'))
      create(t.path('d/f'))
      const { ino } = status(t.path('d/f'))
      for (const name of ['d//f', './d/./f', 'd/../d/f', 'd/../d/../d///f'])
        equal(status(t.path(name)).ino, ino)
    },
  },
  {
    name: 'fifty levels of 255-byte names, deeper than any path is long, are walked step by step',
    async run(t) {
      const name = 'd'.repeat(255)
      ok(posix.chdir(t.directory))
      try {
        for (let level = 0; level < 50; level++) {
          ok(posix.mkdir(name))
          ok(posix.chdir(name))
        }
        create('deep', 'down here')
        equal(text('deep'), 'down here')
        for (let level = 0; level < 50; level++) ok(posix.chdir('..'))
        await withFile('.', c.O_RDONLY, (fd) => equal(ok(posix.fstat(fd)).ino, status(t.directory).ino))
      } finally {
        posix.chdir('/')
      }
    },
  },
  {
    name: 'two hundred levels are made, walked up and removed',
    run(t) {
      // Made and removed from within; the whole path is gone once for each call.
      const levels = Array.from({ length: 200 }, (_, level) => `${level}`)
      const path = t.path(levels.join('/'))
      ok(posix.chdir(t.directory))
      for (const level of levels) {
        directory(level)
        ok(posix.chdir(level))
      }
      create(`${path}/f`, 'x')
      equal(text(`${path}/f`), 'x')
      equal(status('f').ino, status(`${path}/f`).ino)
      equal(status(`${path}${'/..'.repeat(200)}`).ino, status(t.directory).ino)
      ok(posix.unlink(`${path}/f`))
      fails(posix.lstat('f'), 'ENOENT')
      ok(posix.chdir('..'))
      ok(posix.rmdir(path))
      for (const level of levels.slice(0, -1).reverse()) {
        ok(posix.chdir('..'))
        ok(posix.rmdir(level))
      }
      deepEqual(posix.list(t.directory), [])
    },
  },
]
