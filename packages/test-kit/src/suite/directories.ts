import { deepEqual, equal } from 'node:assert/strict'
import { create, directory, fails, ok, withFile } from '../assertions.js'
import type { ConformanceCase } from '../case.js'
import { constants as c } from '../native.js'
import * as posix from '../posix.js'
import type { DirectoryEntry } from '../posix-structures.js'

const reading = c.O_RDONLY | c.O_DIRECTORY

// Many names: in the working directory, so that the way to it is not looked up for each of them.
function fill(path: string, count: number, prefix = 'entry'): string[] {
  const names = Array.from({ length: count }, (_, index) => `${prefix}-${String(index).padStart(5, '0')}`)
  ok(posix.chdir(path))
  for (const name of names) ok(posix.mknod(name, c.S_IFREG | 0o644))
  return names
}

const named = (entries: DirectoryEntry[]) => entries.map((entry) => entry.name.toString())
const withoutDots = (names: string[]) => names.filter((name) => name !== '.' && name !== '..')

function occurrences(names: string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  return counts
}

export const cases: ConformanceCase[] = [
  {
    name: 'ten thousand entries are listed, each exactly once, whatever the size of the buffer',
    run(t) {
      const names = fill(t.directory, 10_000)
      return withFile(t.directory, reading, (fd) => {
        for (const size of [1024, 32_768, 1 << 20]) {
          posix.lseek(fd, 0, c.SEEK_SET)
          deepEqual(withoutDots(named(ok(posix.readAllEntries(fd, size)))).sort(), names)
        }
      })
    },
  },
  {
    name: 'seeking to the offset of any entry continues exactly after it',
    run(t) {
      fill(t.directory, 700)
      return withFile(t.directory, reading, (fd) => {
        const entries = ok(posix.readAllEntries(fd))
        equal(new Set(entries.map((entry) => entry.offset)).size, entries.length, 'offsets are distinct')
        for (let index = 0; index < entries.length; index += index % 97 === 0 ? 1 : 7) {
          const { offset } = entries[index]
          equal(posix.seek64(fd, offset, c.SEEK_SET), offset)
          const next = ok(posix.getdents(fd, 1024))
          equal(next[0]?.name.toString(), entries[index + 1]?.name.toString(), `after entry ${index}`)
        }
        posix.lseek(fd, 0, c.SEEK_SET)
        deepEqual(named(ok(posix.readAllEntries(fd))), named(entries))
      })
    },
  },
  {
    name: 'an offset taken by one open directory serves the same one after going back and forth',
    run(t) {
      fill(t.directory, 300)
      return withFile(t.directory, reading, (fd) => {
        const first = ok(posix.getdents(fd, 2048))
        const mark = first.at(-1)!.offset
        const rest = named(ok(posix.readAllEntries(fd)))
        posix.lseek(fd, 0, c.SEEK_SET)
        ok(posix.getdents(fd, 1024))
        posix.seek64(fd, mark, c.SEEK_SET)
        deepEqual(named(ok(posix.readAllEntries(fd))), rest)
      })
    },
  },
  {
    name: 'what exists throughout is listed exactly once while other entries come and go',
    run(t) {
      const staying = fill(t.directory, 2000, 'stay')
      const leaving = fill(t.directory, 1000, 'leave')
      return withFile(t.directory, reading, (fd) => {
        const seen: string[] = []
        for (let round = 0; ; round++) {
          const some = ok(posix.getdents(fd, 4096))
          if (some.length === 0) break
          seen.push(...named(some))
          for (let i = 0; i < 20 && leaving.length > 0; i++) ok(posix.unlink(leaving.pop()!))
          if (round < 100) fill(t.directory, 10, `new-${round}`)
        }
        const counts = occurrences(seen)
        for (const name of staying) equal(counts.get(name), 1, name)
        for (const [name, count] of counts) equal(count <= 1, true, `${name} was listed ${count} times`)
      })
    },
  },
  {
    name: 'removing each entry as it is listed empties a directory of 3000',
    run(t) {
      fill(t.directory, 3000)
      return withFile(t.directory, reading, (fd) => {
        for (;;) {
          const some = ok(posix.getdents(fd, 1024))
          if (some.length === 0) break
          for (const name of withoutDots(named(some))) ok(posix.unlink(name))
        }
        deepEqual(posix.list(t.directory), [])
        ok(posix.chdir('/'))
        ok(posix.rmdir(t.directory))
        ok(posix.mkdir(t.directory, 0o755))
      })
    },
  },
  {
    name: 'renaming entries while listing keeps those that stay, each exactly once',
    run(t) {
      const staying = fill(t.directory, 1000, 'stay')
      const moving = fill(t.directory, 500, 'move')
      return withFile(t.directory, reading, (fd) => {
        const seen: string[] = []
        for (let round = 0; ; round++) {
          const some = ok(posix.getdents(fd, 2048))
          if (some.length === 0) break
          seen.push(...named(some))
          const name = moving.pop()
          if (name) ok(posix.rename(name, `moved-${round}`))
        }
        const counts = occurrences(seen)
        for (const name of staying) equal(counts.get(name), 1, name)
      })
    },
  },
  {
    name: 'rewinding shows what was made since',
    run(t) {
      create(t.path('a'))
      return withFile(t.directory, reading, (fd) => {
        deepEqual(withoutDots(named(ok(posix.readAllEntries(fd)))), ['a'])
        create(t.path('b'))
        ok(posix.unlink(t.path('a')))
        posix.lseek(fd, 0, c.SEEK_SET)
        deepEqual(withoutDots(named(ok(posix.readAllEntries(fd)))), ['b'])
      })
    },
  },
  {
    name: 'two descriptors of one directory have their own positions, duplicates share one',
    run(t) {
      fill(t.directory, 500)
      return withFile(t.directory, reading, (one) =>
        withFile(t.directory, reading, (two) => {
          const all = named(ok(posix.readAllEntries(one)))
          const part = named(ok(posix.getdents(two, 1024)))
          deepEqual(part, all.slice(0, part.length))
          const duplicate = ok(posix.fcntl(two, c.F_DUPFD))
          deepEqual(named(ok(posix.readAllEntries(duplicate))), all.slice(part.length))
          deepEqual(ok(posix.getdents(two)), [])
          posix.close(duplicate)
        }),
      )
    },
  },
  {
    name: 'an empty directory lists only . and .., whose inode numbers are its own and its parent’s',
    run(t) {
      directory(t.path('d'))
      return withFile(t.path('d'), reading, (fd) => {
        const entries = ok(posix.readAllEntries(fd))
        deepEqual(named(entries).sort(), ['.', '..'])
        const inode = (name: string) => entries.find((entry) => entry.name.toString() === name)!.ino
        equal(inode('.'), ok(posix.lstat(t.path('d'))).ino)
        equal(inode('..'), ok(posix.lstat(t.directory)).ino)
      })
    },
  },
  {
    name: 'getdents fails on a file, and on a buffer too small for an entry',
    async run(t) {
      create(t.path('f'))
      await withFile(t.path('f'), c.O_RDONLY, (fd) => fails(posix.getdents(fd), 'ENOTDIR'))
      create(t.path('n'.repeat(255)))
      await withFile(t.directory, reading, (fd) => fails(posix.getdents(fd, 8), 'EINVAL'))
    },
  },
  {
    name: 'names of 255 bytes fill a listing of any buffer size',
    run(t) {
      const names = Array.from({ length: 200 }, (_, index) => `${index}-`.padEnd(255, 'x')).sort()
      for (const name of names) create(t.path(name))
      return withFile(t.directory, reading, (fd) => {
        for (const size of [300, 1000, 65_536]) {
          posix.lseek(fd, 0, c.SEEK_SET)
          deepEqual(withoutDots(named(ok(posix.readAllEntries(fd, size)))).sort(), names)
        }
      })
    },
  },
  {
    name: 'a listing by another user’s process shows the same',
    requires: ['users'],
    async run(t) {
      const names = fill(t.directory, 200)
      const other = await t.as(t.users.other)
      deepEqual(await other.sys.list(t.directory), names)
    },
  },
]
