import { deepEqual, equal } from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync } from 'node:fs'
import { content, create, fails, ok, outcome, pattern, status, text, tick, withFile } from '../assertions.js'
import type { ConformanceCase } from '../case.js'
import { constants as c } from '../native.js'
import * as posix from '../posix.js'

const readWrite = c.PROT_READ | c.PROT_WRITE

function mapped<T>(
  length: number,
  protection: number,
  flags: number,
  fd: number,
  use: (address: number) => T,
): T {
  const address = ok(posix.mmap(length, protection, flags, fd))
  try {
    return use(address)
  } finally {
    posix.munmap(address, length)
  }
}

export const cases: ConformanceCase[] = [
  {
    name: 'a shared mapping shows what is written, and reads show what is stored into it',
    run(t) {
      create(t.path('f'), pattern(20_000))
      return withFile(t.path('f'), c.O_RDWR, (fd) =>
        mapped(20_000, readWrite, c.MAP_SHARED, fd, (address) => {
          deepEqual(ok(posix.peek(address, 20_000)), pattern(20_000))
          ok(posix.pwrite(fd, 'by write', 4090))
          equal(ok(posix.peek(address + 4090, 8)).toString(), 'by write')
          ok(posix.poke(address + 8190, 'by store'))
          equal(ok(posix.pread(fd, 8, 8190)).toString(), 'by store')
        }),
      )
    },
  },
  {
    name: 'a shared mapping of one process shows the stores and writes of another',
    async run(t) {
      create(t.path('f'), Buffer.alloc(8192))
      const other = await t.process()
      const far = ok(await other.sys.open(t.path('f'), c.O_RDWR))
      const farAddress = ok(await other.sys.mmap(8192, readWrite, c.MAP_SHARED, far))
      await withFile(t.path('f'), c.O_RDWR, async (fd) => {
        const address = ok(posix.mmap(8192, readWrite, c.MAP_SHARED, fd))
        ok(await other.sys.poke(farAddress + 100, 'stored there'))
        equal(ok(posix.peek(address + 100, 12)).toString(), 'stored there')
        ok(await other.sys.pwrite(far, 'written there', 5000))
        equal(ok(posix.peek(address + 5000, 13)).toString(), 'written there')
        posix.munmap(address, 8192)
      })
      await other.sys.munmap(farAddress, 8192)
    },
  },
  {
    name: 'stores reach the file by msync, and by closing and unmapping',
    async run(t) {
      create(t.path('f'), Buffer.alloc(12_288))
      await withFile(t.path('f'), c.O_RDWR, (fd) =>
        mapped(12_288, readWrite, c.MAP_SHARED, fd, (address) => {
          ok(posix.poke(address + 4096, 'synced'))
          equal(posix.msync(address, 12_288, c.MS_SYNC), 0)
          ok(posix.poke(address + 8192, 'left to munmap'))
        }),
      )
      const bytes = content(t.path('f'))
      equal(bytes.subarray(4096, 4102).toString(), 'synced')
      equal(bytes.subarray(8192, 8206).toString(), 'left to munmap')
    },
  },
  {
    name: 'a mapping outlives the close of its descriptor and the removal of its file',
    run(t) {
      create(t.path('f'), pattern(8192))
      const fd = ok(posix.open(t.path('f'), c.O_RDWR))
      const address = ok(posix.mmap(8192, readWrite, c.MAP_SHARED, fd))
      ok(posix.close(fd))
      ok(posix.unlink(t.path('f')))
      deepEqual(ok(posix.peek(address, 8192)), pattern(8192))
      ok(posix.poke(address + 5, 'x'))
      equal(posix.msync(address, 8192, c.MS_SYNC), 0)
      posix.munmap(address, 8192)
    },
  },
  {
    name: 'stores into a private mapping stay private',
    run(t) {
      create(t.path('f'), 'original')
      return withFile(t.path('f'), c.O_RDONLY, (fd) =>
        mapped(4096, readWrite, c.MAP_PRIVATE, fd, (address) => {
          ok(posix.poke(address, 'CHANGED!'))
          equal(ok(posix.peek(address, 8)).toString(), 'CHANGED!')
          equal(text(t.path('f')), 'original')
        }),
      )
    },
  },
  {
    name: 'the rest of the last page is zero, and is not written to the file',
    run(t) {
      create(t.path('f'), 'abc')
      return withFile(t.path('f'), c.O_RDWR, (fd) =>
        mapped(4096, readWrite, c.MAP_SHARED, fd, (address) => {
          deepEqual(ok(posix.peek(address, 6)), Buffer.from('abc\0\0\0'))
          ok(posix.poke(address + 3, 'beyond'))
          equal(posix.msync(address, 4096, c.MS_SYNC), 0)
          equal(status(t.path('f')).size, 3)
          equal(text(t.path('f')), 'abc')
        }),
      )
    },
  },
  {
    name: 'what was stored beyond the end does not appear when the file grows, as on the reference',
    async run(t) {
      await t.compare((base) => {
        create(`${base}/f`, 'abc')
        return withFile(`${base}/f`, c.O_RDWR, (fd) =>
          mapped(4096, readWrite, c.MAP_SHARED, fd, (address) => {
            ok(posix.poke(address + 3, 'beyond'))
            ok(posix.ftruncate(fd, 10))
            return text(`${base}/f`)
          }),
        )
      })
    },
  },
  {
    name: 'access to a page wholly beyond the end raises SIGBUS, also after truncation, and works again after extension',
    run(t) {
      create(t.path('f'), pattern(12_288))
      return withFile(t.path('f'), c.O_RDWR, (fd) =>
        mapped(16_384, readWrite, c.MAP_SHARED, fd, (address) => {
          fails(posix.peek(address + 12_288, 1), 'EFAULT')
          ok(posix.peek(address + 8192, 1))
          ok(posix.ftruncate(fd, 5000))
          fails(posix.peek(address + 8192, 1), 'EFAULT')
          deepEqual(ok(posix.peek(address + 5000, 10)), Buffer.alloc(10))
          ok(posix.ftruncate(fd, 12_288))
          deepEqual(ok(posix.peek(address + 8192, 100)), Buffer.alloc(100))
        }),
      )
    },
  },
  {
    name: 'a store changes mtime by the time it is synced',
    async run(t) {
      create(t.path('f'), Buffer.alloc(4096))
      const before = status(t.path('f')).mtime
      await tick()
      await withFile(t.path('f'), c.O_RDWR, (fd) =>
        mapped(4096, readWrite, c.MAP_SHARED, fd, (address) => {
          ok(posix.poke(address, 'x'))
          equal(posix.msync(address, 4096, c.MS_SYNC), 0)
        }),
      )
      equal(status(t.path('f')).mtime > before, true)
    },
  },
  {
    name: 'a hole reads as zeros in a mapping, and a store fills it',
    run(t) {
      return withFile(t.path('f'), c.O_CREAT | c.O_RDWR, (fd) => {
        ok(posix.ftruncate(fd, 1 << 20))
        mapped(1 << 20, readWrite, c.MAP_SHARED, fd, (address) => {
          deepEqual(ok(posix.peek(address + 500_000, 100)), Buffer.alloc(100))
          ok(posix.poke(address + 500_000, 'here'))
        })
        equal(ok(posix.pread(fd, 4, 500_000)).toString(), 'here')
      })
    },
  },
  {
    name: 'what may be mapped depends on how the file was opened, as on the reference',
    async run(t) {
      const outcomes = await t.compare((base) => {
        create(`${base}/f`, 'content')
        return [c.O_RDONLY, c.O_WRONLY, c.O_RDWR].flatMap((flags) => {
          const fd = ok(posix.open(`${base}/f`, flags))
          const tried = [
            [c.PROT_READ, c.MAP_SHARED],
            [readWrite, c.MAP_SHARED],
            [readWrite, c.MAP_PRIVATE],
          ].map(([protection, map]) => {
            const address = posix.mmap(4096, protection, map, fd)
            if (address > 0) posix.munmap(address, 4096)
            return outcome(address)
          })
          posix.close(fd)
          return tried
        })
      })
      deepEqual(outcomes.slice(0, 3), ['ok', 'EACCES', 'ok'])
    },
  },
  {
    name: 'a directory cannot be mapped, and an offset inside a page is EINVAL',
    async run(t) {
      create(t.path('f'), 'x')
      await withFile(t.directory, c.O_RDONLY, (fd) =>
        fails(posix.mmap(4096, c.PROT_READ, c.MAP_SHARED, fd), 'ENODEV'),
      )
      await withFile(t.path('f'), c.O_RDONLY, (fd) =>
        fails(posix.mmap(4096, c.PROT_READ, c.MAP_SHARED, fd, 100), 'EINVAL'),
      )
    },
  },
  {
    name: 'a program can be executed, and so can a script',
    requires: ['exec'],
    run(t) {
      copyFileSync('/bin/echo', t.path('program'))
      chmodSync(t.path('program'), 0o755)
      equal(spawnSync(t.path('program'), ['hello']).stdout?.toString(), 'hello\n')
      create(t.path('script'), '#!/bin/sh\necho "from $0"\n', 0o755)
      equal(spawnSync(t.path('script')).stdout?.toString(), `from ${t.path('script')}\n`)
      ok(posix.chmod(t.path('script'), 0o644))
      const refused = spawnSync(t.path('script')).error as NodeJS.ErrnoException | undefined
      equal(refused?.code, 'EACCES')
    },
  },
  {
    name: 'a running program cannot be written (ETXTBSY), as on the reference, and can be removed',
    requires: ['exec'],
    async run(t) {
      await t.compare(async (base) => {
        const path = `${base}/program`
        copyFileSync('/bin/sleep', path)
        chmodSync(path, 0o755)
        const child = spawn(path, ['60'], { stdio: 'ignore' })
        try {
          // It is spawned when its program has been executed.
          await new Promise((resolve, reject) =>
            child.once('spawn', () => resolve(undefined)).once('error', reject),
          )
          return [posix.open(path, c.O_WRONLY), posix.truncate(path, 0), posix.unlink(path)].map(outcome)
        } finally {
          child.kill('SIGKILL')
          await new Promise((resolve) => child.once('exit', resolve))
        }
      })
    },
  },
  {
    name: 'a file open for writing cannot be executed (ETXTBSY), as on the reference',
    requires: ['exec'],
    async run(t) {
      await t.compare((base) => {
        copyFileSync('/bin/true', `${base}/program`)
        chmodSync(`${base}/program`, 0o755)
        return withFile(`${base}/program`, c.O_WRONLY, () => {
          const { error, status } = spawnSync(`${base}/program`)
          return [(error as NodeJS.ErrnoException | undefined)?.code, status]
        })
      })
    },
  },
]
