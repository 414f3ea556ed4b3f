import { deepEqual, equal } from 'node:assert/strict'
import { fails, ok, status } from '../assertions.js'
import type { CaseContext, ConformanceCase } from '../case.js'
import { constants as c } from '../native.js'
import * as posix from '../posix.js'

// A file, and a directory, that the target has.
function existing(t: CaseContext): { file: string; folder: string } {
  const found: Record<number, string> = {}
  for (const name of ok(posix.list(t.directory))) {
    const path = `${t.directory}/${name}`
    found[status(path).mode & c.S_IFMT] ??= path
  }
  const [file, folder] = [found[c.S_IFREG], found[c.S_IFDIR]]
  if (!file || !folder) throw new Error('a read-only target needs a file and a directory to try on')
  return { file, folder }
}

export const cases: ConformanceCase[] = (
  [
    {
      name: 'every change is EROFS, and nothing has changed',
      run(t) {
        const { file, folder } = existing(t)
        const before = [status(file), status(folder), posix.list(t.directory)]
        const fresh = t.path('new')
        for (const [name, result] of Object.entries({
          create: posix.open(fresh, c.O_CREAT | c.O_WRONLY, 0o644),
          'open for writing': posix.open(file, c.O_WRONLY),
          'open for both': posix.open(file, c.O_RDWR),
          'open to truncate': posix.open(file, c.O_RDONLY | c.O_TRUNC),
          truncate: posix.truncate(file, 0),
          mkdir: posix.mkdir(fresh),
          rmdir: posix.rmdir(folder),
          unlink: posix.unlink(file),
          rename: posix.rename(file, fresh),
          exchange: posix.rename(file, folder, c.RENAME_EXCHANGE),
          link: posix.link(file, fresh),
          symlink: posix.symlink('x', fresh),
          mknod: posix.mkfifo(fresh),
          chmod: posix.chmod(file, 0o600),
          chown: posix.chown(file, 0, 0),
          utimens: posix.utimens(file, 1n, 2n),
          setxattr: posix.setxattr(file, 'user.k', 'v'),
          removexattr: posix.removexattr(file, 'user.k'),
          access: posix.access(file, c.W_OK),
          tmpfile: posix.open(t.directory, c.O_TMPFILE | c.O_RDWR, 0o600),
        })) {
          if (typeof result !== 'number' || result !== -c.EROFS)
            throw new Error(`${name}: expected EROFS, got ${result}`)
        }
        const after = [status(file), status(folder), posix.list(t.directory)]
        deepEqual(after, before)
      },
    },
    {
      name: 'what fails anyway keeps its own errno, and reading works',
      run(t) {
        const { file } = existing(t)
        fails(posix.mkdir(file), 'EEXIST')
        fails(posix.open(t.path('missing'), c.O_RDONLY), 'ENOENT')
        fails(posix.open(`${file}/x`, c.O_CREAT | c.O_WRONLY, 0o644), 'ENOTDIR')
        const fd = ok(posix.open(file, c.O_RDONLY))
        ok(posix.pread(fd, 100, 0))
        fails(posix.write(fd, 'x'), 'EBADF')
        ok(posix.setLock(fd, c.F_SETLK, c.F_RDLCK, 0, 0))
        fails(posix.futimens(fd, 1n, 1n), 'EROFS')
        fails(posix.fchmod(fd, 0o600), 'EROFS')
        ok(posix.close(fd))
      },
    },
    {
      name: 'statfs says so',
      run(t) {
        equal(ok(posix.statfs(t.directory)).flags & c.ST_RDONLY, c.ST_RDONLY)
      },
    },
  ] satisfies ConformanceCase[]
).map((one): ConformanceCase => ({ ...one, requires: ['read-only'] }))
