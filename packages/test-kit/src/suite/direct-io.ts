import { deepEqual, equal } from 'node:assert/strict'
import { content, create, fails, ok, pattern, status, withFile } from '../assertions.js'
import type { ConformanceCase } from '../case.js'
import { constants as c } from '../native.js'
import * as posix from '../posix.js'

export const cases: ConformanceCase[] = [
  {
    name: 'O_DIRECT writes and reads aligned blocks, coherent with buffered ones',
    requires: ['direct'],
    run(t) {
      const bytes = pattern(64 * 1024)
      return withFile(t.path('f'), c.O_CREAT | c.O_RDWR | c.O_DIRECT, async (fd) => {
        equal(posix.pwriteDirect(fd, bytes, 0), bytes.length)
        deepEqual(content(t.path('f')), bytes)
        await withFile(t.path('f'), c.O_WRONLY, (buffered) => {
          ok(posix.pwrite(buffered, 'buffered', 8192))
        })
        equal(
          ok(posix.preadDirect(fd, 4096, 8192))
            .subarray(0, 8)
            .toString(),
          'buffered',
        )
        equal(posix.pwriteDirect(fd, bytes.subarray(0, 4096), 8192), 4096)
        deepEqual(content(t.path('f')).subarray(8192, 12288), bytes.subarray(0, 4096))
      })
    },
  },
  {
    name: 'O_DIRECT reads end at the end of the file',
    requires: ['direct'],
    run(t) {
      create(t.path('f'), pattern(5000))
      return withFile(t.path('f'), c.O_RDONLY | c.O_DIRECT, (fd) => {
        equal(ok(posix.preadDirect(fd, 8192, 0)).length, 5000)
        equal(ok(posix.preadDirect(fd, 4096, 8192)).length, 0)
      })
    },
  },
  {
    name: 'O_DIRECT extends a file and leaves a hole before',
    requires: ['direct'],
    run(t) {
      return withFile(t.path('f'), c.O_CREAT | c.O_RDWR | c.O_DIRECT, (fd) => {
        equal(posix.pwriteDirect(fd, pattern(4096), 1 << 20), 4096)
        equal(status(t.path('f')).size, (1 << 20) + 4096)
        deepEqual(ok(posix.preadDirect(fd, 4096, 4096)), Buffer.alloc(4096))
        deepEqual(ok(posix.preadDirect(fd, 4096, 1 << 20)), pattern(4096))
      })
    },
  },
  {
    name: 'O_SYNC and O_DSYNC files take writes',
    async run(t) {
      for (const flag of [c.O_SYNC, c.O_DSYNC]) {
        await withFile(t.path('f'), c.O_CREAT | c.O_RDWR | flag, (fd) => {
          equal(posix.pwrite(fd, 'synchronous', 0), 11)
          equal(posix.fcntl(fd, c.F_GETFL) & flag, flag)
        })
      }
    },
  },
  {
    name: 'fsync, fdatasync and syncfs succeed on files and fsync on directories, also opened read-only',
    async run(t) {
      create(t.path('f'), 'x')
      for (const [path, flags] of [
        [t.path('f'), c.O_RDWR],
        [t.path('f'), c.O_RDONLY],
        [t.directory, c.O_RDONLY | c.O_DIRECTORY],
      ] as const) {
        await withFile(path, flags, (fd) => {
          equal(posix.fsync(fd), 0)
          equal(posix.fdatasync(fd), 0)
          equal(posix.syncfs(fd), 0)
        })
      }
      await withFile(t.path('f'), c.O_PATH, (fd) => fails(posix.fsync(fd), 'EBADF'))
    },
  },
  {
    name: 'fadvise is accepted',
    run(t) {
      create(t.path('f'), 'x')
      return withFile(t.path('f'), c.O_RDONLY, (fd) => {
        for (const advice of [0, 1, 2, 3, 4, 5]) equal(posix.fadvise(fd, 0, 0, advice), 0)
      })
    },
  },
]
