import { deepEqual, equal } from 'node:assert/strict'
import { create, directory, fails, ok, outcome, status, text, withFile } from '../assertions.js'
import type { ConformanceCase } from '../case.js'
import { constants as c } from '../native.js'
import * as posix from '../posix.js'

const { O_CREAT, O_EXCL, O_RDONLY, O_WRONLY, O_RDWR, O_DIRECTORY, O_NOFOLLOW, O_TRUNC, O_PATH } = c

export const cases: ConformanceCase[] = [
  {
    name: 'a missing name is ENOENT, and so is a name below a missing directory',
    run(t) {
      for (const name of ['missing', 'missing/x']) {
        const path = t.path(name)
        for (const result of [
          posix.open(path, O_RDONLY),
          posix.lstat(path),
          posix.unlink(path),
          posix.rmdir(path),
          posix.readlink(path),
          posix.chmod(path, 0),
          posix.lchown(path, 0, 0),
          posix.truncate(path, 0),
          posix.utimensNull(path),
          posix.link(path, t.path('new')),
          posix.rename(path, t.path('new')),
        ]) {
          fails(result, 'ENOENT')
        }
      }
      for (const result of [
        posix.open(t.path('missing/x'), O_CREAT | O_WRONLY, 0o644),
        posix.mkdir(t.path('missing/x')),
        posix.symlink('x', t.path('missing/x')),
        posix.mkfifo(t.path('missing/x')),
      ]) {
        fails(result, 'ENOENT')
      }
    },
  },
  {
    name: 'a path through a file is ENOTDIR, whatever the call',
    run(t) {
      create(t.path('f'))
      const path = t.path('f/x')
      for (const result of [
        posix.open(path, O_RDONLY),
        posix.open(path, O_CREAT | O_WRONLY, 0o644),
        posix.lstat(path),
        posix.unlink(path),
        posix.rmdir(path),
        posix.mkdir(path),
        posix.symlink('x', path),
        posix.link(path, t.path('new')),
        posix.link(t.path('f'), path),
        posix.truncate(path, 0),
        posix.chmod(path, 0),
        posix.rmdir(t.path('f')),
        posix.open(t.path('f'), O_RDONLY | O_DIRECTORY),
        posix.chdir(t.path('f')),
        posix.list(t.path('f')),
      ]) {
        fails(result, 'ENOTDIR')
      }
    },
  },
  {
    name: 'what is not for directories is EISDIR or EPERM',
    run(t) {
      directory(t.path('d'))
      fails(posix.open(t.path('d'), O_WRONLY), 'EISDIR')
      fails(posix.open(t.path('d'), O_RDWR), 'EISDIR')
      fails(posix.open(t.path('d'), O_RDONLY | O_CREAT, 0o644), 'EISDIR')
      fails(posix.open(t.path('d'), O_RDONLY | O_TRUNC), 'EISDIR')
      fails(posix.open(t.path('d'), O_CREAT | O_EXCL | O_WRONLY, 0o644), 'EEXIST')
      fails(posix.unlink(t.path('d')), 'EISDIR')
      fails(posix.truncate(t.path('d'), 0), 'EISDIR')
      fails(posix.link(t.path('d'), t.path('e')), 'EPERM')
      fails(posix.readlink(t.path('d')), 'EINVAL')
    },
  },
  {
    name: 'what exists is EEXIST for mkdir, mknod, symlink, link and O_EXCL, whatever it is',
    run(t) {
      create(t.path('file'))
      directory(t.path('directory'))
      ok(posix.symlink('missing', t.path('dangling')))
      create(t.path('source'))
      for (const name of ['file', 'directory', 'dangling']) {
        for (const result of [
          posix.mkdir(t.path(name)),
          posix.mkfifo(t.path(name)),
          posix.symlink('x', t.path(name)),
          posix.link(t.path('source'), t.path(name)),
          posix.open(t.path(name), O_CREAT | O_EXCL | O_WRONLY, 0o644),
        ]) {
          fails(result, 'EEXIST')
        }
      }
      fails(posix.lstat(t.path('missing')), 'ENOENT')
    },
  },
  {
    name: 'a directory with anything in it is ENOTEMPTY, and . and .. cannot be removed',
    run(t) {
      directory(t.path('d'))
      create(t.path('d/f'))
      fails(posix.rmdir(t.path('d')), 'ENOTEMPTY', 'EEXIST')
      ok(posix.unlink(t.path('d/f')))
      directory(t.path('d/e'))
      fails(posix.rmdir(t.path('d')), 'ENOTEMPTY', 'EEXIST')
      fails(posix.rmdir(t.path('d/.')), 'EINVAL')
      fails(posix.rmdir(t.path('d/e/..')), 'ENOTEMPTY', 'EEXIST')
      fails(posix.mkdir(t.path('d/.')), 'EEXIST')
      fails(posix.mkdir(t.path('d/..')), 'EEXIST')
      ok(posix.rmdir(t.path('d/e')))
      ok(posix.rmdir(t.path('d')))
      fails(posix.rmdir(t.path('d')), 'ENOENT')
    },
  },
  {
    name: 'loops of symlinks are ELOOP, and chains up to forty are followed',
    run(t) {
      ok(posix.symlink('b', t.path('a')))
      ok(posix.symlink('a', t.path('b')))
      for (const result of [
        posix.open(t.path('a'), O_RDONLY),
        posix.open(t.path('a'), O_CREAT | O_WRONLY, 0o644),
        posix.stat(t.path('a')),
        posix.stat(t.path('a/x')),
        posix.mkdir(t.path('a/x')),
        posix.chmod(t.path('a'), 0),
        posix.truncate(t.path('b'), 0),
      ]) {
        fails(result, 'ELOOP')
      }
      ok(posix.lstat(t.path('a')))
      ok(posix.unlink(t.path('a')))
      create(t.path('l0'), 'end')
      for (let index = 1; index <= 41; index++) ok(posix.symlink(`l${index - 1}`, t.path(`l${index}`)))
      equal(text(t.path('l40')), 'end')
      fails(posix.stat(t.path('l41')), 'ELOOP')
    },
  },
  {
    name: 'O_NOFOLLOW refuses a symlink at the end only, and with O_PATH opens it',
    run(t) {
      directory(t.path('d'))
      create(t.path('d/f'), 'x')
      ok(posix.symlink('f', t.path('d/link')))
      ok(posix.symlink('d', t.path('dlink')))
      fails(posix.open(t.path('d/link'), O_RDONLY | O_NOFOLLOW), 'ELOOP')
      fails(posix.open(t.path('dlink'), O_RDONLY | O_NOFOLLOW | O_DIRECTORY), 'ENOTDIR', 'ELOOP')
      ok(posix.close(ok(posix.open(t.path('dlink/f'), O_RDONLY | O_NOFOLLOW))))
      return withFile(t.path('d/link'), O_PATH | O_NOFOLLOW, (fd) =>
        equal(ok(posix.fstat(fd)).mode & c.S_IFMT, c.S_IFLNK),
      )
    },
  },
  {
    name: 'O_CREAT through a dangling symlink makes its target, with O_EXCL it does not',
    run(t) {
      ok(posix.symlink('target', t.path('link')))
      fails(posix.open(t.path('link'), O_CREAT | O_EXCL | O_WRONLY, 0o644), 'EEXIST')
      fails(posix.open(t.path('link'), O_RDONLY), 'ENOENT')
      ok(posix.close(ok(posix.open(t.path('link'), O_CREAT | O_WRONLY, 0o644))))
      equal(status(t.path('target')).mode & c.S_IFMT, c.S_IFREG)
      ok(posix.symlink('missing/target', t.path('far')))
      fails(posix.open(t.path('far'), O_CREAT | O_WRONLY, 0o644), 'ENOENT')
    },
  },
  {
    name: 'a trailing slash demands a directory',
    async run(t) {
      await t.compare((base) => {
        create(`${base}/f`)
        directory(`${base}/d`)
        ok(posix.symlink('d', `${base}/dlink`))
        ok(posix.symlink('f', `${base}/flink`))
        return [
          posix.open(`${base}/f/`, O_RDONLY),
          posix.lstat(`${base}/f/`),
          posix.unlink(`${base}/f/`),
          posix.open(`${base}/new/`, O_CREAT | O_WRONLY, 0o644),
          posix.mkdir(`${base}/made/`),
          posix.symlink('x', `${base}/new/`),
          posix.link(`${base}/f`, `${base}/new/`),
          posix.lstat(`${base}/flink/`),
          posix.unlink(`${base}/dlink/`),
          posix.rmdir(`${base}/dlink/`),
          posix.rename(`${base}/f`, `${base}/g/`),
          posix.rename(`${base}/made/`, `${base}/moved/`),
          posix.rmdir(`${base}/moved/`),
          posix.mkfifo(`${base}/fifo/`),
        ].map(outcome)
      })
      equal(status(t.path('dlink/')).mode & c.S_IFMT, c.S_IFDIR)
    },
  },
  {
    name: 'of several things wrong, the one the kernel finds first is told, as on the reference',
    async run(t) {
      await t.compare((base) => {
        create(`${base}/f`)
        directory(`${base}/d`)
        create(`${base}/d/g`)
        const long = 'n'.repeat(256)
        return [
          posix.mkdir(`${base}/f/${long}`),
          posix.mkdir(`${base}/missing/${long}`),
          posix.rename(`${base}/missing`, `${base}/missing2/x`),
          posix.rename(`${base}/d`, `${base}/f`),
          posix.rename(`${base}/d`, `${base}/f`, c.RENAME_NOREPLACE),
          posix.rename(`${base}/missing`, `${base}/f`, c.RENAME_NOREPLACE),
          posix.link(`${base}/d`, `${base}/f`),
          posix.link(`${base}/missing`, `${base}/f`),
          posix.symlink('', `${base}/f`),
          posix.symlink('', `${base}/new`),
          posix.open(`${base}/f`, O_CREAT | O_DIRECTORY | O_RDWR, 0o644),
          posix.open(`${base}/d`, O_CREAT | O_EXCL | O_DIRECTORY, 0o644),
          posix.open(`${base}/f`, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, 0o644),
          posix.truncate(`${base}/d`, -1),
          posix.truncate(`${base}/missing`, -1),
          posix.mknod(`${base}/f`, c.S_IFDIR | 0o755),
          posix.mknod(`${base}/new`, c.S_IFDIR | 0o755),
          posix.mknod(`${base}/new`, c.S_IFLNK | 0o755),
          posix.linkat(c.AT_FDCWD, `${base}/f`, c.AT_FDCWD, `${base}/new`, 0x4000),
          posix.access(`${base}/f`, 0o17),
          posix.unlink(`${base}/d/.`),
          posix.unlink(`${base}/d/..`),
        ].map(outcome)
      })
    },
  },
  {
    name: 'offsets: negative ones are EINVAL, beyond the largest file EFBIG, far reads empty',
    async run(t) {
      const [results] = await t.compare((base) =>
        withFile(`${base}/f`, O_CREAT | O_RDWR, (fd) => {
          ok(posix.write(fd, 'abc'))
          const far = 2n ** 62n
          return [
            [
              posix.pread(fd, 1, -1),
              posix.pwrite(fd, 'x', -1),
              posix.pread(fd, 1, 2n ** 63n - 1n),
              posix.pwrite(fd, 'x', 2n ** 63n - 1n),
              posix.pwrite(fd, 'x', far),
              posix.ftruncate(fd, far),
              posix.ftruncate(fd, -1),
              posix.truncate(`${base}/f`, 2n ** 63n - 1n),
            ].map(outcome),
            ok(posix.fstat(fd)).size,
          ] as const
        }),
      )
      deepEqual(results.slice(0, 2), ['EINVAL', 'EINVAL'])
      equal(results[6], 'EINVAL')
    },
  },
  {
    name: 'a position beyond the largest file is taken or refused as on the reference',
    async run(t) {
      await t.compare((base) =>
        withFile(`${base}/f`, O_CREAT | O_RDWR, (fd) =>
          [2n ** 43n, 2n ** 62n].map((far) => String(posix.seek64(fd, far, c.SEEK_SET))),
        ),
      )
    },
  },
  {
    name: 'a read at 2^62 returns nothing or the errno of the reference, and harms nothing',
    async run(t) {
      await t.compare((base) => {
        create(`${base}/f`, 'abc')
        return withFile(`${base}/f`, O_RDONLY, (fd) => [
          posix.pread(fd, 10, 2n ** 62n),
          posix.pread(fd, 10, 2n ** 40n),
          posix.pread(fd, 10, 0),
        ])
      })
    },
  },
  {
    name: 'a bad address is EFAULT and does not disturb what follows',
    run(t) {
      return withFile(t.path('f'), O_CREAT | O_RDWR, (fd) => {
        const hole = ok(posix.mmap(4096, 0, c.MAP_PRIVATE, fd))
        ok(posix.write(fd, 'abc'))
        fails(posix.rawCall(c.SYS_pwrite64, fd, hole, 10, 0), 'EFAULT')
        fails(posix.rawCall(c.SYS_pread64, fd, hole, 3, 0), 'EFAULT')
        equal(text(t.path('f')), 'abc')
        posix.munmap(hole, 4096)
      })
    },
  },
]
