import { deepEqual, equal } from 'node:assert/strict'
import { create, directory, fails, ok, outcome, status, tick, withFile } from '../assertions.js'
import type { CaseContext, ConformanceCase } from '../case.js'
import { constants as c } from '../native.js'
import * as posix from '../posix.js'

const long = 1_000_000_000_123_456_789n

const now = () => BigInt(Date.now()) * 1_000_000n

// A time of the filesystem's lies between two of this process's, give or take two seconds for their clocks.
function between(begin: bigint, time: bigint, end: bigint): void {
  const allowed = 2_000_000_000n
  equal(time > begin - allowed && time < end + allowed, true, `${begin} <= ${time} <= ${end}`)
}

// Which of mtime and ctime of each path are newer after an operation.
async function changed(paths: string[], run: () => unknown): Promise<string[]> {
  const before = paths.map((path) => status(path))
  await tick()
  await run()
  return paths.map((path, index) => {
    const after = status(path)
    return `${after.mtime > before[index].mtime ? 'm' : '-'}${after.ctime > before[index].ctime ? 'c' : '-'}`
  })
}

interface Change {
  name: string
  prepare?(t: CaseContext): void
  run(t: CaseContext): unknown
  expect: Record<string, 'mc' | '-c' | '--'>
}

const file = (t: CaseContext) => create(t.path('f'), 'content')
const nested = (t: CaseContext) => {
  directory(t.path('d'))
  create(t.path('d/f'), 'content')
  directory(t.path('e'))
}

const changes: Change[] = [
  { name: 'write', prepare: file, run: (t) => create(t.path('f'), 'x'), expect: { f: 'mc', '.': '--' } },
  {
    name: 'truncate to another size',
    prepare: file,
    run: (t) => ok(posix.truncate(t.path('f'), 2)),
    expect: { f: 'mc' },
  },
  {
    name: 'truncate to the same size',
    prepare: file,
    run: (t) => ok(posix.truncate(t.path('f'), 7)),
    expect: { f: 'mc' },
  },
  {
    name: 'fallocate that extends',
    prepare: file,
    run: (t) => withFile(t.path('f'), c.O_RDWR, (fd) => ok(posix.fallocate(fd, 0, 0, 9000))),
    expect: { f: 'mc' },
  },
  {
    name: 'chmod',
    prepare: file,
    run: (t) => ok(posix.chmod(t.path('f'), 0o600)),
    expect: { f: '-c', '.': '--' },
  },
  {
    name: 'chown',
    prepare: file,
    run: (t) => ok(posix.chown(t.path('f'), process.geteuid!(), process.getegid!())),
    expect: { f: '-c' },
  },
  {
    name: 'link',
    prepare: file,
    run: (t) => ok(posix.link(t.path('f'), t.path('g'))),
    expect: { f: '-c', '.': 'mc' },
  },
  {
    name: 'unlink of one of two names',
    prepare(t) {
      file(t)
      ok(posix.link(t.path('f'), t.path('g')))
    },
    run: (t) => ok(posix.unlink(t.path('g'))),
    expect: { f: '-c', '.': 'mc' },
  },
  { name: 'create', run: (t) => create(t.path('new')), expect: { '.': 'mc' } },
  { name: 'mkdir', run: (t) => ok(posix.mkdir(t.path('new'))), expect: { '.': 'mc' } },
  { name: 'symlink', run: (t) => ok(posix.symlink('x', t.path('new'))), expect: { '.': 'mc' } },
  { name: 'mkfifo', run: (t) => ok(posix.mkfifo(t.path('new'))), expect: { '.': 'mc' } },
  {
    name: 'unlink',
    prepare: nested,
    run: (t) => ok(posix.unlink(t.path('d/f'))),
    expect: { d: 'mc', '.': '--' },
  },
  {
    name: 'rmdir',
    prepare: nested,
    run: (t) => ok(posix.rmdir(t.path('e'))),
    expect: { '.': 'mc', d: '--' },
  },
  {
    name: 'rename to another directory',
    prepare: nested,
    run: (t) => ok(posix.rename(t.path('d/f'), t.path('e/g'))),
    expect: { d: 'mc', e: 'mc', '.': '--' },
  },
  {
    name: 'reading, listing, stat, open and failing calls',
    prepare: nested,
    run(t) {
      posix.list(t.path('d'))
      posix.stat(t.path('d/f'))
      posix.mkdir(t.path('d/f'))
      posix.unlink(t.path('d/missing'))
      return withFile(t.path('d/f'), c.O_RDWR, (fd) => {
        ok(posix.pread(fd, 10, 0))
        ok(posix.write(fd, ''))
      })
    },
    expect: { 'd/f': '--', d: '--', '.': '--' },
  },
]

export const cases: ConformanceCase[] = [
  ...changes.map(
    ({ name, prepare, run, expect }): ConformanceCase => ({
      name: `${name}: mtime and ctime of the file and of its directories`,
      async run(t) {
        prepare?.(t)
        const seen = await changed(
          Object.keys(expect).map((name) => t.path(name)),
          () => run(t),
        )
        deepEqual(Object.fromEntries(Object.keys(expect).map((key, index) => [key, seen[index]])), expect)
      },
    }),
  ),
  {
    name: 'rename changes ctime of what moved as on the reference, and not its mtime',
    async run(t) {
      await t.compare(async (base) => {
        create(`${base}/f`)
        const before = status(`${base}/f`)
        await tick()
        ok(posix.rename(`${base}/f`, `${base}/g`))
        const after = status(`${base}/g`)
        equal(after.mtime, before.mtime)
        return after.ctime > before.ctime
      })
    },
  },
  {
    name: 'a new file has all times of its making, in order',
    async run(t) {
      const begin = now()
      create(t.path('before'))
      await tick()
      create(t.path('f'))
      const { atime, mtime, ctime } = status(t.path('f'))
      const earlier = status(t.path('before')).mtime
      equal(mtime > earlier && ctime > earlier && atime > earlier, true)
      between(begin, mtime, now())
    },
  },
  {
    name: 'atime after a read is as on the reference',
    async run(t) {
      await t.compare(async (base) => {
        create(`${base}/f`, 'x')
        ok(posix.utimens(`${base}/f`, 1n, 'omit'))
        const results: boolean[] = []
        for (const flags of [c.O_RDONLY | c.O_NOATIME, c.O_RDONLY]) {
          await tick()
          await withFile(`${base}/f`, flags, (fd) => ok(posix.pread(fd, 1, 0)))
          results.push(status(`${base}/f`).atime > 1n)
        }
        return results
      })
    },
  },
  {
    name: 'nanoseconds are kept, by path and by descriptor, and ctime becomes now',
    async run(t) {
      create(t.path('f'))
      const before = status(t.path('f'))
      await tick()
      ok(posix.utimens(t.path('f'), long, long + 1n))
      let after = status(t.path('f'))
      deepEqual([after.atime, after.mtime], [long, long + 1n])
      equal(after.ctime > before.ctime, true)
      await withFile(t.path('f'), c.O_RDONLY, (fd) => ok(posix.futimens(fd, 5n, 999_999_999n)))
      after = status(t.path('f'))
      deepEqual([after.atime, after.mtime], [5n, 999_999_999n])
    },
  },
  {
    name: 'OMIT leaves one alone, NOW sets one to now, both OMIT leave even ctime',
    async run(t) {
      create(t.path('f'))
      const path = t.path('f')
      ok(posix.utimens(path, 10n, 20n))
      ok(posix.utimens(path, 'omit', 30n))
      deepEqual([status(path).atime, status(path).mtime], [10n, 30n])
      ok(posix.utimens(path, 40n, 'omit'))
      deepEqual([status(path).atime, status(path).mtime], [40n, 30n])
      ok(posix.utimens(path, 'now', 'omit'))
      equal(status(path).atime > long, true)
      equal(status(path).mtime, 30n)
      const before = status(path)
      await tick()
      ok(posix.utimens(path, 'omit', 'omit'))
      deepEqual(status(path), before)
      ok(posix.utimensNull(path))
      equal(status(path).mtime > long, true)
    },
  },
  {
    name: 'times before 1970, after 2038 and at the limits are kept as on the reference',
    async run(t) {
      await t.compare((base) => {
        create(`${base}/f`)
        return [
          -1_000_000_000n,
          -1n,
          2n ** 31n * 1_000_000_000n,
          2n ** 33n * 1_000_000_000n + 7n,
          2n ** 62n,
        ].map((time) => {
          const result = outcome(posix.utimens(`${base}/f`, time, time))
          const { atime, mtime } = status(`${base}/f`)
          return [result, atime, mtime]
        })
      })
    },
  },
  {
    name: 'symlinks have times of their own, directories too',
    run(t) {
      create(t.path('f'))
      ok(posix.symlink('f', t.path('link')))
      const target = status(t.path('f'))
      ok(posix.utimens(t.path('link'), 11n, 22n, c.AT_SYMLINK_NOFOLLOW))
      deepEqual([status(t.path('link')).mtime, status(t.path('f')).mtime], [22n, target.mtime])
      ok(posix.utimens(t.path('link'), 33n, 44n))
      equal(status(t.path('f')).mtime, 44n)
      directory(t.path('d'))
      ok(posix.utimens(t.path('d'), 55n, 66n))
      equal(status(t.path('d')).mtime, 66n)
    },
  },
  {
    name: 'a time set while the file is open for writing is not undone by closing it',
    async run(t) {
      await withFile(t.path('f'), c.O_CREAT | c.O_RDWR, async (fd) => {
        ok(posix.write(fd, 'content'))
        ok(posix.futimens(fd, 77n, 88n))
        equal(ok(posix.fstat(fd)).mtime, 88n)
        const copy = ok(posix.fcntl(fd, c.F_DUPFD))
        ok(posix.close(copy))
      })
      await tick()
      deepEqual([status(t.path('f')).atime, status(t.path('f')).mtime], [77n, 88n])
    },
  },
  {
    name: 'nanoseconds out of range are EINVAL',
    run(t) {
      create(t.path('f'))
      const times = Buffer.alloc(32)
      times.writeBigInt64LE(1_000_000_000n, 8)
      fails(posix.rawCall(c.SYS_utimensat, c.AT_FDCWD, Buffer.from(`${t.path('f')}\0`), times, 0), 'EINVAL')
    },
  },
  {
    name: 'the birth time is there and never changes',
    requires: ['btime'],
    async run(t) {
      const begin = now()
      create(t.path('f'))
      const { btime } = status(t.path('f'))
      between(begin, btime ?? 0n, now())
      await tick()
      create(t.path('f'), 'written')
      ok(posix.chmod(t.path('f'), 0o600))
      ok(posix.utimens(t.path('f'), 1n, 2n))
      ok(posix.rename(t.path('f'), t.path('g')))
      equal(status(t.path('g')).btime, btime)
    },
  },
]
