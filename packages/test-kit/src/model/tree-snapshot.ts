/** Everything in a tree that two trees are compared by. */
import { digest, outcome } from '../assertions.js'
import { constants as c } from '../native.js'
import * as posix from '../posix.js'
import { comparable } from './executor.js'

/** One entry a name, by its path below the root. */
export function snapshot(root: string): Record<string, unknown> {
  const tree: Record<string, unknown> = {}
  const visit = (relative: string): void => {
    const path = relative === '' ? root : `${root}/${relative}`
    const status = posix.lstat(path)
    const entry: Record<string, unknown> = { status: comparable(status) }
    tree[relative || '.'] = entry
    if (typeof status === 'number') return
    const kind = status.mode & c.S_IFMT
    const names = posix.llistxattr(path)
    if (typeof names === 'number') entry.xattrs = outcome(names)
    else {
      entry.xattrs = names
        .filter((name) => name.startsWith('user.'))
        .map((name) => {
          const value = posix.lgetxattr(path, name)
          return [name, typeof value === 'number' ? outcome(value) : digest(value)]
        })
    }
    if (kind === c.S_IFLNK) {
      const target = posix.readlink(path)
      entry.target = typeof target === 'number' ? outcome(target) : target.toString('latin1')
    } else if (kind === c.S_IFREG) {
      const fd = posix.open(path, c.O_RDONLY | c.O_NOFOLLOW)
      const content = fd < 0 ? fd : posix.pread(fd, status.size + 1, 0)
      if (fd >= 0) posix.close(fd)
      entry.content = typeof content === 'number' ? outcome(content) : digest(content)
    } else if (kind === c.S_IFDIR) {
      const children = posix.list(path)
      if (typeof children === 'number') entry.children = outcome(children)
      else for (const name of children) visit(relative === '' ? name : `${relative}/${name}`)
    }
  }
  visit('')
  return tree
}
