import { deepEqual, equal } from 'node:assert/strict'
import { contentOf, create, fails, ok, outcome, pattern, status, withFile } from '../assertions.js'
import type { ConformanceCase } from '../case.js'
import { constants as c } from '../native.js'
import * as posix from '../posix.js'

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT } = c

// The call may copy less than it was asked for.
function copyAll(from: number, fromOffset: number, to: number, toOffset: number, length: number): number {
  let done = 0
  while (done < length) {
    const copied = ok(posix.copyFileRange(from, fromOffset + done, to, toOffset + done, length - done))
    if (copied === 0) break
    done += copied
  }
  return done
}

export const cases: ConformanceCase[] = [
  {
    name: 'between files: the bytes arrive, at offsets that are no multiple of a page, and extend the file',
    async run(t) {
      create(t.path('from'), pattern(100_000))
      create(t.path('to'), 'x'.repeat(1000))
      await withFile(t.path('from'), O_RDONLY, (from) =>
        withFile(t.path('to'), O_RDWR, (to) => {
          equal(copyAll(from, 4097, to, 333, 50_001), 50_001)
          deepEqual(
            contentOf(to),
            Buffer.concat([Buffer.from('x'.repeat(333)), pattern(100_000).subarray(4097, 54_098)]),
          )
        }),
      )
    },
  },
  {
    name: 'without offsets the positions are used and moved',
    async run(t) {
      create(t.path('from'), 'abcdefgh')
      await withFile(t.path('from'), O_RDONLY, (from) =>
        withFile(t.path('to'), O_CREAT | O_RDWR, (to) => {
          posix.lseek(from, 2, c.SEEK_SET)
          equal(posix.copyFileRange(from, null, to, null, 3), 3)
          equal(posix.lseek(from, 0, c.SEEK_CUR), 5)
          equal(posix.lseek(to, 0, c.SEEK_CUR), 3)
          equal(posix.copyFileRange(from, 0, to, null, 1), 1)
          equal(posix.lseek(from, 0, c.SEEK_CUR), 5, 'a given offset leaves the position alone')
          equal(contentOf(to).toString(), 'cdea')
        }),
      )
    },
  },
  {
    name: 'at and beyond the end of the source nothing is copied, across it what there is',
    async run(t) {
      create(t.path('from'), 'abc')
      await withFile(t.path('from'), O_RDONLY, (from) =>
        withFile(t.path('to'), O_CREAT | O_RDWR, (to) => {
          equal(posix.copyFileRange(from, 3, to, 0, 10), 0)
          equal(posix.copyFileRange(from, 1000, to, 0, 10), 0)
          equal(posix.copyFileRange(from, 1, to, 0, 10), 2)
          equal(contentOf(to).toString(), 'bc')
        }),
      )
    },
  },
  {
    name: 'within a file: apart it copies, overlapping it is EINVAL',
    run(t) {
      create(t.path('f'), pattern(20_000))
      return withFile(t.path('f'), O_RDWR, (fd) => {
        equal(copyAll(fd, 0, fd, 20_000, 5000), 5000)
        deepEqual(contentOf(fd), Buffer.concat([pattern(20_000), pattern(20_000).subarray(0, 5000)]))
        fails(posix.copyFileRange(fd, 0, fd, 100, 200), 'EINVAL')
        fails(posix.copyFileRange(fd, 100, fd, 0, 200), 'EINVAL')
        fails(posix.copyFileRange(fd, 0, fd, 0, 10), 'EINVAL')
      })
    },
  },
  {
    name: 'beyond the end of the destination a hole is left',
    async run(t) {
      create(t.path('from'), 'data')
      await withFile(t.path('from'), O_RDONLY, (from) =>
        withFile(t.path('to'), O_CREAT | O_RDWR, (to) => {
          equal(posix.copyFileRange(from, 0, to, 100_000, 4), 4)
          equal(status(t.path('to')).size, 100_004)
          deepEqual(ok(posix.pread(to, 4, 50_000)), Buffer.alloc(4))
        }),
      )
    },
  },
  {
    name: 'what was just written and not synced is copied, and what was cached of the destination is replaced',
    async run(t) {
      create(t.path('from'), Buffer.alloc(10_000))
      create(t.path('to'), Buffer.alloc(10_000, 'x'))
      await withFile(t.path('from'), O_RDWR, (from) =>
        withFile(t.path('to'), O_RDWR, (to) => {
          contentOf(to)
          const address = ok(posix.mmap(10_000, c.PROT_READ, c.MAP_SHARED, to))
          ok(posix.peek(address, 10_000))
          ok(posix.pwrite(from, 'fresh', 5000))
          equal(copyAll(from, 4096, to, 4096, 4096), 4096)
          equal(ok(posix.pread(to, 5, 5000)).toString(), 'fresh')
          equal(ok(posix.peek(address + 5000, 5)).toString(), 'fresh')
          equal(ok(posix.pread(to, 1, 4095)).toString(), 'x')
          posix.munmap(address, 10_000)
        }),
      )
    },
  },
  {
    name: 'stores into a mapping of the source are copied',
    run(t) {
      create(t.path('f'), Buffer.alloc(16_384))
      return withFile(t.path('f'), O_RDWR, (fd) => {
        const address = ok(posix.mmap(16_384, c.PROT_READ | c.PROT_WRITE, c.MAP_SHARED, fd))
        ok(posix.poke(address + 10, 'stored'))
        equal(copyAll(fd, 0, fd, 8192, 4096), 4096)
        equal(ok(posix.pread(fd, 6, 8202)).toString(), 'stored')
        posix.munmap(address, 16_384)
      })
    },
  },
  {
    name: 'sixteen megabytes and a bit',
    async run(t) {
      const bytes = Buffer.concat(Array.from({ length: 16 }, (_, index) => pattern(1 << 20, index + 1)))
      create(t.path('from'), Buffer.concat([bytes, Buffer.from('tail')]))
      await withFile(t.path('from'), O_RDONLY, (from) =>
        withFile(t.path('to'), O_CREAT | O_RDWR, (to) => {
          equal(copyAll(from, 0, to, 0, bytes.length + 4), bytes.length + 4)
          equal(contentOf(to).equals(Buffer.concat([bytes, Buffer.from('tail')])), true)
        }),
      )
    },
  },
  {
    name: 'refusals have the errno of the reference',
    async run(t) {
      const results = await t.compare(async (base) => {
        create(`${base}/f`, 'abc')
        create(`${base}/g`, 'xyz')
        const reader = ok(posix.open(`${base}/f`, O_RDONLY))
        const writer = ok(posix.open(`${base}/g`, O_WRONLY))
        const appender = ok(posix.open(`${base}/g`, O_WRONLY | c.O_APPEND))
        const folder = ok(posix.open(base, O_RDONLY))
        const tried = [
          posix.copyFileRange(writer, 0, writer, 100, 1),
          posix.copyFileRange(reader, 0, reader, 100, 1),
          posix.copyFileRange(reader, 0, appender, 0, 1),
          posix.copyFileRange(folder, 0, writer, 0, 1),
          posix.copyFileRange(reader, 0, folder, 0, 1),
          posix.copyFileRange(reader, 0, writer, 0, 1, 1),
          posix.copyFileRange(reader, 0, writer, 0, 0),
          posix.copyFileRange(reader, -1, writer, 0, 1),
        ].map(outcome)
        for (const fd of [reader, writer, appender, folder]) posix.close(fd)
        return tried
      })
      deepEqual(results.slice(0, 6), ['EBADF', 'EBADF', 'EBADF', 'EISDIR', 'EISDIR', 'EINVAL'])
    },
  },
  {
    name: 'the copy changes mtime and size at once',
    async run(t) {
      create(t.path('from'), 'abc')
      create(t.path('to'))
      ok(posix.utimens(t.path('to'), 0n, 0n))
      await withFile(t.path('from'), O_RDONLY, (from) =>
        withFile(t.path('to'), O_WRONLY, (to) => {
          equal(posix.copyFileRange(from, 0, to, 0, 3), 3)
          equal(status(t.path('to')).size, 3)
          equal(status(t.path('to')).mtime > 0n, true)
        }),
      )
    },
  },
]
