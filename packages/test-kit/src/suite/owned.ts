import { create, directory, ok } from '../assertions.js'
import type { CaseContext } from '../case.js'
import * as posix from '../posix.js'

// A file or directory of users.owner and users.group with this mode.
export function owned(
  t: CaseContext,
  name: string,
  mode: number,
  kind: 'file' | 'directory' = 'file',
): string {
  const path = t.path(name)
  if (kind === 'file') create(path, 'content')
  else directory(path)
  ok(posix.chown(path, t.users.owner.uid, t.users.group))
  ok(posix.chmod(path, mode))
  return path
}
