import { deepEqual, equal } from 'node:assert/strict'
import { contentOf, create, directory, fails, ok, pattern, status, text, withFile } from '../assertions.js'
import type { ConformanceCase } from '../case.js'
import { constants as c } from '../native.js'
import * as posix from '../posix.js'

const { O_RDWR, O_CREAT, O_RDONLY, O_PATH, O_DIRECTORY } = c

export const cases: ConformanceCase[] = [
  {
    name: 'an open file whose name is gone is read, written, truncated, synced and stat-ed',
    run(t) {
      create(t.path('f'), pattern(10_000))
      return withFile(t.path('f'), O_RDWR, (fd) => {
        ok(posix.unlink(t.path('f')))
        deepEqual(posix.list(t.directory), [])
        equal(ok(posix.fstat(fd)).nlink, 0)
        deepEqual(contentOf(fd), pattern(10_000))
        ok(posix.pwrite(fd, 'written', 20_000))
        equal(ok(posix.fstat(fd)).size, 20_007)
        ok(posix.ftruncate(fd, 5))
        deepEqual(contentOf(fd), pattern(10_000).subarray(0, 5))
        equal(posix.fsync(fd), 0)
        equal(ok(posix.fstat(fd)).size, 5)
      })
    },
  },
  {
    name: 'its mode, owner, times and extended attributes still change',
    run(t) {
      create(t.path('f'))
      return withFile(t.path('f'), O_RDWR, (fd) => {
        ok(posix.unlink(t.path('f')))
        ok(posix.fchmod(fd, 0o640))
        equal(ok(posix.fstat(fd)).mode & 0o777, 0o640)
        ok(posix.futimens(fd, 1_000_000_001n, 2_000_000_002n))
        deepEqual([ok(posix.fstat(fd)).atime, ok(posix.fstat(fd)).mtime], [1_000_000_001n, 2_000_000_002n])
        ok(posix.fchown(fd, process.geteuid!(), process.getegid!()))
        if (t.capabilities.has('root')) {
          ok(posix.fchown(fd, 64001, 64101))
          deepEqual([ok(posix.fstat(fd)).uid, ok(posix.fstat(fd)).gid], [64001, 64101])
        }
        if (t.capabilities.has('xattr')) {
          ok(posix.fsetxattr(fd, 'user.k', 'value'))
          equal(ok(posix.fgetxattr(fd, 'user.k')).toString(), 'value')
          deepEqual(
            ok(posix.flistxattr(fd)).filter((name) => name.startsWith('user.')),
            ['user.k'],
          )
          ok(posix.fremovexattr(fd, 'user.k'))
        }
      })
    },
  },
  {
    name: 'fallocate, copy_file_range, locks and a mapping work on it',
    run(t) {
      create(t.path('f'), pattern(8192))
      return withFile(t.path('f'), O_RDWR, (fd) => {
        ok(posix.unlink(t.path('f')))
        equal(posix.copyFileRange(fd, 0, fd, 8192, 4096), 4096)
        deepEqual(ok(posix.pread(fd, 4096, 8192)), pattern(8192).subarray(0, 4096))
        equal(posix.fallocate(fd, 0, 0, 20_000), 0)
        equal(ok(posix.fstat(fd)).size, 20_000)
        ok(posix.setLock(fd, c.F_SETLK, c.F_WRLCK, 0, 0))
        ok(posix.flock(fd, c.LOCK_EX | c.LOCK_NB))
        const address = ok(posix.mmap(8192, c.PROT_READ | c.PROT_WRITE, c.MAP_SHARED, fd))
        ok(posix.poke(address, 'stored'))
        equal(ok(posix.pread(fd, 6, 0)).toString(), 'stored')
        posix.munmap(address, 8192)
      })
    },
  },
  {
    name: 'a new file of the same name is another file',
    run(t) {
      create(t.path('f'), 'old')
      return withFile(t.path('f'), O_RDWR, async (old) => {
        ok(posix.unlink(t.path('f')))
        create(t.path('f'), 'new content')
        equal(contentOf(old).toString(), 'old')
        equal(text(t.path('f')), 'new content')
        ok(posix.pwrite(old, 'OLD', 0))
        equal(text(t.path('f')), 'new content')
        ok(posix.unlink(t.path('f')))
        equal(contentOf(old).toString(), 'OLD')
      })
    },
  },
  {
    name: 'two descriptors of it, in two processes, share what is written',
    async run(t) {
      create(t.path('f'), 'x')
      const other = await t.process()
      const far = ok(await other.sys.open(t.path('f'), O_RDWR))
      await withFile(t.path('f'), O_RDWR, async (fd) => {
        ok(await other.sys.unlink(t.path('f')))
        ok(await other.sys.pwrite(far, 'from there', 100))
        equal(ok(posix.pread(fd, 10, 100)).toString(), 'from there')
        equal(ok(posix.fstat(fd)).size, 110)
      })
      ok(await other.sys.pwrite(far, 'still', 0))
      ok(await other.sys.close(far))
    },
  },
  {
    name: 'through /proc/self/fd it is opened again',
    run(t) {
      create(t.path('f'), 'content')
      return withFile(t.path('f'), O_RDWR, (fd) => {
        ok(posix.unlink(t.path('f')))
        return withFile(`/proc/self/fd/${fd}`, O_RDWR, (again) => {
          equal(contentOf(again).toString(), 'content')
          ok(posix.pwrite(again, 'C', 0))
          equal(contentOf(fd).toString(), 'Content')
        })
      })
    },
  },
  {
    name: 'a file with no name left cannot be given one, while one with another name can',
    async run(t) {
      create(t.path('f'), 'x')
      await withFile(t.path('f'), O_RDWR, async (fd) => {
        ok(posix.link(`/proc/self/fd/${fd}`, t.path('second'), c.AT_SYMLINK_FOLLOW))
        ok(posix.unlink(t.path('f')))
        equal(ok(posix.fstat(fd)).nlink, 1)
        ok(posix.link(`/proc/self/fd/${fd}`, t.path('third'), c.AT_SYMLINK_FOLLOW))
        equal(text(t.path('third')), 'x')
        ok(posix.unlink(t.path('second')))
        ok(posix.unlink(t.path('third')))
        fails(posix.link(`/proc/self/fd/${fd}`, t.path('fourth'), c.AT_SYMLINK_FOLLOW), 'ENOENT')
      })
    },
  },
  {
    name: 'an O_PATH descriptor shows the file after its name is gone',
    run(t) {
      create(t.path('f'), 'abc')
      return withFile(t.path('f'), O_PATH, (fd) => {
        const { ino } = ok(posix.fstat(fd))
        ok(posix.unlink(t.path('f')))
        const after = ok(posix.fstat(fd))
        deepEqual([after.ino, after.nlink, after.size], [ino, 0, 3])
        return withFile(`/proc/self/fd/${fd}`, O_RDONLY, (again) => equal(contentOf(again).toString(), 'abc'))
      })
    },
  },
  {
    name: 'a removed directory that is open lists nothing, takes nothing new and keeps its status',
    run(t) {
      directory(t.path('d'))
      return withFile(t.path('d'), O_RDONLY | O_DIRECTORY, (fd) => {
        ok(posix.rmdir(t.path('d')))
        fails(posix.getdents(fd), 'ENOENT')
        fails(posix.openat(fd, 'new', O_CREAT | O_RDWR, 0o644), 'ENOENT')
        fails(posix.linkat(fd, 'x', fd, 'y', 0), 'ENOENT')
        equal(ok(posix.fstat(fd)).mode & c.S_IFMT, c.S_IFDIR)
      })
    },
  },
  {
    name: 'a working directory that is removed stays where it is',
    run(t) {
      directory(t.path('d'))
      ok(posix.chdir(t.path('d')))
      try {
        ok(posix.rmdir(t.path('d')))
        fails(posix.getcwd(), 'ENOENT')
        fails(posix.open('f', O_CREAT | O_RDWR, 0o644), 'ENOENT')
        fails(posix.mkdir('e'), 'ENOENT')
        ok(posix.lstat('.'))
        ok(posix.chdir('..'))
        equal(ok(posix.getcwd()).toString('latin1').replace(/\0$/, ''), t.directory)
      } finally {
        posix.chdir('/')
      }
    },
  },
  {
    name: 'a file replaced by rename lives on for who has it open',
    run(t) {
      create(t.path('old'), 'old content')
      create(t.path('new'), 'new')
      return withFile(t.path('old'), O_RDWR, (fd) => {
        ok(posix.rename(t.path('new'), t.path('old')))
        equal(contentOf(fd).toString(), 'old content')
        ok(posix.ftruncate(fd, 3))
        ok(posix.fchmod(fd, 0o600))
        equal(ok(posix.fstat(fd)).size, 3)
        equal(text(t.path('old')), 'new')
        equal(status(t.path('old')).mode & 0o777, 0o644)
      })
    },
  },
  {
    name: 'five hundred open files without a name keep their own contents',
    run(t) {
      ok(posix.chdir(t.directory))
      const files = Array.from({ length: 500 }, (_, index) => {
        const fd = ok(posix.open('f', O_CREAT | O_RDWR | c.O_EXCL, 0o644))
        ok(posix.unlink('f'))
        ok(posix.pwrite(fd, `file ${index}`, 0))
        return fd
      })
      files.forEach((fd, index) => {
        equal(contentOf(fd).toString(), `file ${index}`)
      })
      for (const fd of files) ok(posix.close(fd))
      deepEqual(posix.list(t.directory), [])
    },
  },
]
