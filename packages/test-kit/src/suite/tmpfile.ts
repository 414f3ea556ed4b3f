import { deepEqual, equal } from 'node:assert/strict'
import { contentOf, create, fails, ok, status, text, withFile } from '../assertions.js'
import type { ConformanceCase } from '../case.js'
import { constants as c } from '../native.js'
import * as posix from '../posix.js'

const { O_TMPFILE, O_RDWR, O_WRONLY, O_EXCL } = c

export const cases: ConformanceCase[] = (
  [
    {
      name: 'is a file without a name that is read and written',
      run(t) {
        return withFile(
          t.directory,
          O_TMPFILE | O_RDWR,
          (fd) => {
            deepEqual(posix.list(t.directory), [])
            const { mode, nlink, size } = ok(posix.fstat(fd))
            deepEqual([mode, nlink, size], [c.S_IFREG | 0o640, 0, 0])
            ok(posix.pwrite(fd, 'temporary', 0))
            equal(contentOf(fd).toString(), 'temporary')
            ok(posix.ftruncate(fd, 4))
            ok(posix.fchmod(fd, 0o600))
            equal(posix.fsync(fd), 0)
            equal(ok(posix.fstat(fd)).size, 4)
          },
          0o640,
        )
      },
    },
    {
      name: 'is given a name by linkat through /proc/self/fd, and keeps it',
      async run(t) {
        await withFile(t.directory, O_TMPFILE | O_RDWR, (fd) => {
          ok(posix.pwrite(fd, 'content', 0))
          create(t.path('taken'))
          fails(posix.link(`/proc/self/fd/${fd}`, t.path('taken'), c.AT_SYMLINK_FOLLOW), 'EEXIST')
          ok(posix.link(`/proc/self/fd/${fd}`, t.path('named'), c.AT_SYMLINK_FOLLOW))
          equal(ok(posix.fstat(fd)).nlink, 1)
          equal(status(t.path('named')).ino, ok(posix.fstat(fd)).ino)
          ok(posix.link(`/proc/self/fd/${fd}`, t.path('again'), c.AT_SYMLINK_FOLLOW))
          ok(posix.pwrite(fd, 'C', 0))
        })
        equal(text(t.path('named')), 'Content')
        deepEqual(posix.list(t.directory), ['again', 'named', 'taken'])
        equal(status(t.path('named')).nlink, 2)
      },
    },
    {
      name: 'with O_EXCL can never be given a name',
      run: (t) =>
        withFile(t.directory, O_TMPFILE | O_RDWR | O_EXCL, (fd) =>
          fails(posix.link(`/proc/self/fd/${fd}`, t.path('f'), c.AT_SYMLINK_FOLLOW), 'ENOENT'),
        ),
    },
    {
      name: 'is opened again through /proc/self/fd',
      run(t) {
        return withFile(t.directory, O_TMPFILE | O_RDWR, (fd) => {
          ok(posix.pwrite(fd, 'abc', 0))
          return withFile(`/proc/self/fd/${fd}`, c.O_RDONLY, (again) =>
            equal(contentOf(again).toString(), 'abc'),
          )
        })
      },
    },
    {
      name: 'obeys the umask, and refuses O_RDONLY, files and missing directories',
      run(t) {
        posix.umask(0o077)
        const fd = ok(posix.open(t.directory, O_TMPFILE | O_WRONLY, 0o666))
        posix.umask(0o022)
        equal(ok(posix.fstat(fd)).mode & 0o777, 0o600)
        posix.close(fd)
        create(t.path('f'))
        fails(posix.open(t.directory, O_TMPFILE | c.O_RDONLY, 0o600), 'EINVAL')
        fails(posix.open(t.path('f'), O_TMPFILE | O_RDWR, 0o600), 'ENOTDIR')
        fails(posix.open(t.path('missing'), O_TMPFILE | O_RDWR, 0o600), 'ENOENT')
      },
    },
    {
      name: 'two hundred at once keep their own contents',
      run(t) {
        const files = Array.from({ length: 200 }, (_, index) => {
          const fd = ok(posix.open(t.directory, O_TMPFILE | O_RDWR, 0o600))
          ok(posix.pwrite(fd, `number ${index}`, 0))
          return fd
        })
        equal(new Set(files.map((fd) => ok(posix.fstat(fd)).ino)).size, 200)
        files.forEach((fd, index) => {
          equal(contentOf(fd).toString(), `number ${index}`)
        })
        for (const fd of files) ok(posix.close(fd))
      },
    },
  ] satisfies ConformanceCase[]
).map((one) => ({ ...one, requires: ['tmpfile'] }))
