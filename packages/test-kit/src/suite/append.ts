import { deepEqual, equal } from 'node:assert/strict'
import { create, fails, ok, status, text, withFile } from '../assertions.js'
import type { CaseContext, ConformanceCase } from '../case.js'
import { constants as c } from '../native.js'
import * as posix from '../posix.js'

async function race(t: CaseContext, writers: number, count: number, length: number): Promise<void> {
  create(t.path('log'))
  const peers = await Promise.all(Array.from({ length: writers }, (_, index) => t.process(index)))
  const results = await Promise.all(
    peers.map((peer, index) => peer.sys.appendRecords(t.path('log'), index, count, length)),
  )
  for (const result of results) ok(result)
  equal(status(t.path('log')).size, writers * count * length)
  const next = Array.from({ length: writers }, () => 0)
  for (const line of text(t.path('log')).split('\n').slice(0, -1)) {
    const [writer, number] = line.split(':', 2).map(Number)
    const expected = `${writer}:${number}:`.padEnd(length - 1, String.fromCharCode(97 + (writer % 26)))
    equal(line, expected, 'a torn or overwritten record')
    equal(number, next[writer]++, `the records of writer ${writer} are in their order`)
  }
  deepEqual(next, Array(writers).fill(count))
}

export const cases: ConformanceCase[] = [
  {
    name: 'four processes append small records: none is lost, torn or out of order',
    run: (t) => race(t, 4, 500, 64),
  },
  {
    name: 'three processes append records that cross pages: none is lost or torn',
    run: (t) => race(t, 3, 100, 6001),
  },
  {
    name: 'two processes append records larger than one request may be: none is lost or torn',
    run: (t) => race(t, 2, 6, 1_500_007),
  },
  {
    name: 'O_APPEND writes at the end whatever the position, and moves it there',
    run(t) {
      create(t.path('f'), 'start')
      return withFile(t.path('f'), c.O_RDWR | c.O_APPEND, (fd) => {
        equal(posix.lseek(fd, 0, c.SEEK_SET), 0)
        ok(posix.write(fd, '-one'))
        equal(posix.lseek(fd, 0, c.SEEK_CUR), 9)
        // On Linux pwrite appends as well, whatever its offset.
        ok(posix.pwrite(fd, '-two', 0))
        equal(text(t.path('f')), 'start-one-two')
        equal(ok(posix.pread(fd, 5, 0)).toString(), 'start')
      })
    },
  },
  {
    name: 'O_APPEND follows the end when another descriptor truncates or extends',
    run(t) {
      create(t.path('f'), 'abcdef')
      return withFile(t.path('f'), c.O_WRONLY | c.O_APPEND, (fd) => {
        ok(posix.truncate(t.path('f'), 2))
        ok(posix.write(fd, 'X'))
        equal(text(t.path('f')), 'abX')
        ok(posix.truncate(t.path('f'), 5))
        ok(posix.write(fd, 'Y'))
        equal(text(t.path('f')), 'abX\0\0Y')
      })
    },
  },
  {
    name: 'F_SETFL sets and clears O_APPEND on an open file',
    run(t) {
      create(t.path('f'), 'abc')
      return withFile(t.path('f'), c.O_RDWR, (fd) => {
        const flags = posix.fcntl(fd, c.F_GETFL)
        ok(posix.fcntl(fd, c.F_SETFL, flags | c.O_APPEND))
        ok(posix.pwrite(fd, 'D', 0))
        equal(text(t.path('f')), 'abcD')
        ok(posix.fcntl(fd, c.F_SETFL, flags & ~c.O_APPEND))
        ok(posix.pwrite(fd, 'A', 0))
        equal(text(t.path('f')), 'AbcD')
      })
    },
  },
  {
    name: 'O_APPEND does not make a file that is not there, and O_TRUNC with it starts anew',
    run(t) {
      fails(posix.open(t.path('f'), c.O_WRONLY | c.O_APPEND), 'ENOENT')
      create(t.path('f'), 'old')
      return withFile(t.path('f'), c.O_WRONLY | c.O_APPEND | c.O_TRUNC, (fd) => {
        ok(posix.write(fd, 'new'))
        equal(text(t.path('f')), 'new')
      })
    },
  },
]
