/** Removal of a tree whatever its names and modes are; names are bytes. */
import { constants as c, errnoName } from './native.js'
import * as posix from './posix.js'

export function join(directory: posix.Path, name: posix.Path): Buffer {
  return Buffer.concat([Buffer.from(directory as string), Buffer.from('/'), Buffer.from(name as string)])
}

/** Removes everything below and the directory itself; returns what could not be removed. */
export function removeTree(path: posix.Path): string[] {
  const problems: string[] = []
  removeInto(problems, path)
  return problems
}

// Descends by changing the working directory: a tree may be deeper than any path is long.
function removeInto(problems: string[], path: posix.Path): void {
  const start = posix.open('.', c.O_PATH | c.O_DIRECTORY)
  const note = (what: string, name: posix.Path, result: number) => {
    if (result < 0 && result !== -c.ENOENT) {
      problems.push(`${what} ${Buffer.from(name as string).toString('latin1')}: ${errnoName(result)}`)
    }
  }
  const empty = (name: posix.Path) => {
    let entered = posix.chdir(name)
    if (entered === -c.EACCES) {
      posix.chmod(name, 0o700)
      entered = posix.chdir(name)
    }
    if (entered < 0) return note('enter', name, entered)
    const fd = posix.open('.', c.O_RDONLY | c.O_DIRECTORY)
    if (fd < 0) posix.chmod('.', 0o700)
    const from = fd < 0 ? posix.open('.', c.O_RDONLY | c.O_DIRECTORY) : fd
    const entries = from < 0 ? from : posix.readAllEntries(from)
    if (from >= 0) posix.close(from)
    if (typeof entries === 'number') note('list', name, entries)
    else {
      for (const entry of entries) {
        if (entry.name.equals(Buffer.from('.')) || entry.name.equals(Buffer.from('..'))) continue
        let result = posix.unlink(entry.name)
        if (result === -c.EACCES) {
          posix.chmod('.', 0o700)
          result = posix.unlink(entry.name)
        }
        if (result === -c.EISDIR || result === -c.EPERM) {
          empty(entry.name)
          result = posix.rmdir(entry.name)
        }
        note('remove', entry.name, result)
      }
    }
    note('leave', name, posix.chdir('..'))
  }
  const parent = Buffer.from(path as string)
  empty(path)
  posix.fchdir(start)
  posix.close(start)
  note('remove', parent, posix.rmdir(parent))
}
