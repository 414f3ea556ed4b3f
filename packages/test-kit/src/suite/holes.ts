import { deepEqual, equal } from 'node:assert/strict'
import {
  content,
  contentOf,
  create,
  digest,
  fails,
  ok,
  outcome,
  pattern,
  status,
  withFile,
} from '../assertions.js'
import type { ConformanceCase } from '../case.js'
import { constants as c } from '../native.js'
import * as posix from '../posix.js'

const megabyte = 1 << 20
const keepSize = c.FALLOC_FL_KEEP_SIZE
const punch = c.FALLOC_FL_PUNCH_HOLE | keepSize
const { FALLOC_FL_ZERO_RANGE: zero, FALLOC_FL_COLLAPSE_RANGE: collapse, FALLOC_FL_INSERT_RANGE: insert } = c

// Data at the start, a hole of a megabyte, data, and a hole to the end.
function sparse(path: string): void {
  const fd = ok(posix.open(path, c.O_CREAT | c.O_RDWR, 0o644))
  ok(posix.pwrite(fd, pattern(65_536), 0))
  ok(posix.pwrite(fd, pattern(65_536, 2), megabyte + 65_536))
  ok(posix.ftruncate(fd, 4 * megabyte))
  ok(posix.fsync(fd))
  ok(posix.close(fd))
}

export const cases: ConformanceCase[] = [
  {
    name: 'SEEK_DATA and SEEK_HOLE find data and holes as on the reference',
    requires: ['holes'],
    async run(t) {
      const map = await t.compare((base) => {
        sparse(`${base}/f`)
        return withFile(`${base}/f`, c.O_RDONLY, (fd) =>
          [0, 100, 65_536, megabyte, megabyte + 65_536, 2 * megabyte, 4 * megabyte - 1].map((at) => [
            posix.lseek(fd, at, c.SEEK_DATA),
            posix.lseek(fd, at, c.SEEK_HOLE),
          ]),
        )
      })
      deepEqual(map[0], [0, 65_536])
      deepEqual(map[2], [megabyte + 65_536, 65_536])
    },
  },
  {
    name: 'SEEK_DATA and SEEK_HOLE at and beyond the end are ENXIO, and the end is a hole',
    async run(t) {
      create(t.path('f'), 'abc')
      await withFile(t.path('f'), c.O_RDONLY, (fd) => {
        fails(posix.lseek(fd, 3, c.SEEK_DATA), 'ENXIO')
        fails(posix.lseek(fd, 3, c.SEEK_HOLE), 'ENXIO')
        fails(posix.lseek(fd, 1000, c.SEEK_HOLE), 'ENXIO')
        fails(posix.lseek(fd, -1, c.SEEK_DATA), 'ENXIO', 'EINVAL')
        equal(posix.lseek(fd, 0, c.SEEK_DATA), 0)
        equal(posix.lseek(fd, 2, c.SEEK_HOLE), 3)
        equal(posix.lseek(fd, 0, c.SEEK_CUR), 3, 'the position has moved there')
      })
      await withFile(t.path('f'), c.O_WRONLY | c.O_TRUNC, (fd) => {
        fails(posix.lseek(fd, 0, c.SEEK_DATA), 'ENXIO')
        fails(posix.lseek(fd, 0, c.SEEK_HOLE), 'ENXIO')
      })
    },
  },
  {
    name: 'SEEK_DATA sees what was written a moment ago and not yet synced',
    requires: ['holes'],
    run(t) {
      return withFile(t.path('f'), c.O_CREAT | c.O_RDWR, (fd) => {
        ok(posix.ftruncate(fd, 2 * megabyte))
        ok(posix.pwrite(fd, pattern(8192), megabyte))
        const data = posix.lseek(fd, 0, c.SEEK_DATA)
        equal(data >= 0 && data <= megabyte, true, `data found at ${data}`)
        const hole = posix.lseek(fd, megabyte, c.SEEK_HOLE)
        equal(hole >= megabyte + 8192 && hole <= 2 * megabyte, true, `hole found at ${hole}`)
      })
    },
  },
  {
    name: 'a hole reads as zeros and takes no blocks',
    requires: ['holes'],
    run(t) {
      sparse(t.path('f'))
      const bytes = content(t.path('f'))
      deepEqual(bytes.subarray(0, 65_536), pattern(65_536))
      deepEqual(bytes.subarray(65_536, megabyte + 65_536), Buffer.alloc(megabyte))
      deepEqual(bytes.subarray(megabyte + 131_072), Buffer.alloc(3 * megabyte - 131_072))
      const { blocks, size } = status(t.path('f'))
      equal(size, 4 * megabyte)
      equal(blocks * 512 >= 131_072 && blocks * 512 < megabyte, true, `${blocks} blocks`)
    },
  },
  {
    name: 'a hole is punched: zeros, the same size, fewer blocks, the neighbours untouched',
    requires: ['holes'],
    async run(t) {
      await t.compare((base) => {
        create(`${base}/f`, pattern(megabyte))
        return withFile(`${base}/f`, c.O_RDWR, (fd) => {
          ok(posix.fsync(fd))
          const before = ok(posix.fstat(fd)).blocks
          const punched = outcome(posix.fallocate(fd, punch, 100_000, 500_000))
          const bytes = contentOf(fd)
          if (punched === 'ok') {
            deepEqual(bytes.subarray(0, 100_000), pattern(megabyte).subarray(0, 100_000))
            deepEqual(bytes.subarray(100_000, 600_000), Buffer.alloc(500_000))
            deepEqual(bytes.subarray(600_000), pattern(megabyte).subarray(600_000))
          }
          return [punched, bytes.length, ok(posix.fstat(fd)).blocks < before, digest(bytes)]
        })
      })
    },
  },
  {
    name: 'fallocate reserves and extends, and with KEEP_SIZE does not extend',
    async run(t) {
      await t.compare((base) =>
        withFile(`${base}/f`, c.O_CREAT | c.O_RDWR, (fd) => {
          const results: unknown[] = []
          for (const [mode, offset, length] of [
            [0, 0, 100_000],
            [keepSize, 0, megabyte],
            [0, 50_000, 100],
            [0, 200_000, 5],
          ]) {
            results.push(outcome(posix.fallocate(fd, mode, offset, length)), ok(posix.fstat(fd)).size)
          }
          results.push(ok(posix.fstat(fd)).blocks * 512 >= megabyte, digest(contentOf(fd)))
          return results
        }),
      )
    },
  },
  {
    name: 'fallocate keeps what the file holds',
    async run(t) {
      await t.compare((base) => {
        create(`${base}/f`, pattern(10_000))
        return withFile(`${base}/f`, c.O_RDWR, (fd) => {
          const result = outcome(posix.fallocate(fd, 0, 5000, 10_000))
          return [result, digest(contentOf(fd))]
        })
      })
    },
  },
  {
    name: 'zero range zeroes, with and without KEEP_SIZE, as on the reference',
    async run(t) {
      await t.compare((base) => {
        create(`${base}/f`, pattern(50_000))
        return withFile(`${base}/f`, c.O_RDWR, (fd) =>
          [
            [zero, 1000, 9000],
            [zero | keepSize, 45_000, 10_000],
            [zero, 49_000, 5000],
          ].map(([mode, offset, length]) => [
            outcome(posix.fallocate(fd, mode, offset, length)),
            ok(posix.fstat(fd)).size,
            digest(contentOf(fd)),
          ]),
        )
      })
    },
  },
  ...(
    [
      ['collapse', collapse],
      ['insert', insert],
    ] as const
  ).map(
    ([name, mode]): ConformanceCase => ({
      name: `${name} range does what it does on the reference, or is refused as unsupported with nothing changed`,
      async run(t) {
        // The FUSE protocol has no word for it: the kernel answers EOPNOTSUPP by itself.
        const run = (base: string) => {
          create(`${base}/f`, pattern(65_536))
          return withFile(`${base}/f`, c.O_RDWR, (fd) => [
            outcome(posix.fallocate(fd, mode, 8192, 4096)),
            digest(contentOf(fd)),
          ])
        }
        const [result, bytes] = await run(t.directory)
        if (result === 'EOPNOTSUPP') equal(bytes, digest(pattern(65_536)))
        else deepEqual([result, bytes], await run(t.reference))
      },
    }),
  ),
  {
    name: 'fallocate refuses bad arguments with the errno of the reference',
    async run(t) {
      const results = await t.compare(async (base) => {
        create(`${base}/f`, 'abc')
        ok(posix.mkfifo(`${base}/fifo`))
        const tried = await withFile(`${base}/f`, c.O_RDWR, (fd) =>
          [
            posix.fallocate(fd, 0, -1, 10),
            posix.fallocate(fd, 0, 0, 0),
            posix.fallocate(fd, 0, 0, -5),
            posix.fallocate(fd, 0, 2n ** 63n - 10n, 100),
            posix.fallocate(fd, c.FALLOC_FL_PUNCH_HOLE, 0, 1),
          ].map(outcome),
        )
        for (const [path, flags] of [
          ['f', c.O_RDONLY],
          ['', c.O_RDONLY],
          ['fifo', c.O_RDWR],
        ] as const) {
          tried.push(await withFile(`${base}/${path}`, flags, (fd) => outcome(posix.fallocate(fd, 0, 0, 10))))
        }
        return tried
      })
      deepEqual(results.slice(0, 4), ['EINVAL', 'EINVAL', 'EINVAL', 'EFBIG'])
      deepEqual(results.slice(5), ['EBADF', 'EBADF', 'ESPIPE'])
    },
  },
]
