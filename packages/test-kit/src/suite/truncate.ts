import { deepEqual, equal } from 'node:assert/strict'
import { content, create, fails, ok, outcome, pattern, status, withFile } from '../assertions.js'
import type { ConformanceCase } from '../case.js'
import { constants as c } from '../native.js'
import * as posix from '../posix.js'

export const cases: ConformanceCase[] = [
  {
    name: 'shrinks and extends at every kind of boundary, and what comes back is zeros',
    run(t) {
      const bytes = pattern(20_000)
      for (const size of [19_999, 12_288, 12_287, 4097, 4096, 4095, 1, 0]) {
        create(t.path('f'), bytes)
        ok(posix.truncate(t.path('f'), size))
        equal(status(t.path('f')).size, size)
        ok(posix.truncate(t.path('f'), 20_000))
        deepEqual(content(t.path('f')), Buffer.concat([bytes.subarray(0, size), Buffer.alloc(20_000 - size)]))
      }
    },
  },
  {
    name: 'a descriptor open elsewhere sees the new size and no stale bytes',
    run(t) {
      create(t.path('f'), pattern(10_000))
      return withFile(t.path('f'), c.O_RDWR, async (fd) => {
        ok(posix.pread(fd, 10_000, 0))
        const { sys } = await t.process()
        ok(await sys.truncate(t.path('f'), 5000))
        equal(ok(posix.pread(fd, 10_000, 0)).length, 5000)
        equal(ok(posix.fstat(fd)).size, 5000)
        ok(await sys.truncate(t.path('f'), 8000))
        deepEqual(ok(posix.pread(fd, 10_000, 5000)), Buffer.alloc(3000))
      })
    },
  },
  {
    name: 'a write beyond the end leaves zeros between, also after shrinking',
    run(t) {
      create(t.path('f'), pattern(9000))
      return withFile(t.path('f'), c.O_RDWR, (fd) => {
        ok(posix.ftruncate(fd, 100))
        ok(posix.pwrite(fd, 'end', 10_000))
        deepEqual(
          content(t.path('f')),
          Buffer.concat([pattern(9000).subarray(0, 100), Buffer.alloc(9900), Buffer.from('end')]),
        )
      })
    },
  },
  {
    name: 'large sizes are sparse, and read and write at their far end',
    run(t) {
      return withFile(t.path('f'), c.O_CREAT | c.O_RDWR, (fd) => {
        const far = 5 * 2 ** 40
        ok(posix.ftruncate(fd, far))
        equal(ok(posix.fstat(fd)).size, far)
        ok(posix.pwrite(fd, 'far', far - 3))
        equal(ok(posix.pread(fd, 10, far - 3)).toString(), 'far')
        deepEqual(ok(posix.pread(fd, 8, 2 ** 32 - 4)), Buffer.alloc(8))
        equal(ok(posix.fstat(fd)).blocks < 2048, true)
      })
    },
  },
  {
    name: 'beyond what the filesystem can hold it has the errno of the reference',
    async run(t) {
      await t.compare((base) => {
        create(`${base}/f`, 'abc')
        const results = [2n ** 44n, 2n ** 50n, 2n ** 62n, 2n ** 63n - 1n].map((size) =>
          outcome(posix.truncate(`${base}/f`, size)),
        )
        ok(posix.truncate(`${base}/f`, 3))
        return [results, content(`${base}/f`).toString()]
      })
    },
  },
  {
    name: 'refusals: a descriptor not for writing, a directory, a fifo, a negative size',
    async run(t) {
      create(t.path('f'), 'abc')
      ok(posix.mkfifo(t.path('fifo')))
      await withFile(t.path('f'), c.O_RDONLY, (fd) => fails(posix.ftruncate(fd, 0), 'EINVAL', 'EBADF'))
      await withFile(t.path('fifo'), c.O_RDWR, (fd) => fails(posix.ftruncate(fd, 0), 'EINVAL'))
      await withFile(t.directory, c.O_RDONLY, (fd) => fails(posix.ftruncate(fd, 0), 'EINVAL', 'EISDIR'))
      fails(posix.truncate(t.path('f'), -1), 'EINVAL')
      fails(posix.truncate(t.path('fifo'), 0), 'EINVAL')
      equal(status(t.path('f')).size, 3)
    },
  },
  {
    name: 'a file grown and shrunk two hundred times has the content of a model',
    run(t) {
      let model = Buffer.alloc(0)
      return withFile(t.path('f'), c.O_CREAT | c.O_RDWR, (fd) => {
        for (let step = 1; step <= 200; step++) {
          const at = (step * 7919) % 30_000
          if (step % 3 === 0) {
            ok(posix.ftruncate(fd, at))
            model = Buffer.concat([model.subarray(0, at), Buffer.alloc(Math.max(0, at - model.length))])
          } else {
            const bytes = pattern(1 + ((step * 31) % 5000), step)
            ok(posix.pwrite(fd, bytes, at))
            const grown = Buffer.alloc(Math.max(model.length, at + bytes.length))
            model.copy(grown)
            bytes.copy(grown, at)
            model = grown
          }
          equal(content(t.path('f')).equals(model), true, `after step ${step}`)
        }
      })
    },
  },
]
