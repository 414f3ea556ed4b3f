/** All themes: each case by its full name, `theme: name`. */
import type { ConformanceCase } from '../case.js'
import { cases as acl } from './acl.js'
import { cases as append } from './append.js'
import { cases as basic } from './basic.js'
import { cases as copyFileRange } from './copy-file-range.js'
import { cases as directIo } from './direct-io.js'
import { cases as directories } from './directories.js'
import { cases as errno } from './errno.js'
import { cases as holes } from './holes.js'
import { cases as locks } from './locks.js'
import { cases as mmap } from './mmap.js'
import { cases as names } from './names.js'
import { cases as rename } from './rename.js'
import { cases as tmpfile } from './tmpfile.js'
import { cases as unlinked } from './unlinked.js'
import { cases as xattr } from './xattr.js'

const themes: Record<string, ConformanceCase[]> = {
  basic,
  names,
  errno,
  directories,
  rename,
  unlinked,
  tmpfile,
  append,
  holes,
  'copy-file-range': copyFileRange,
  'direct-io': directIo,
  mmap,
  locks,
  xattr,
  acl,
}

export const suite: ReadonlyMap<string, ConformanceCase> = new Map(
  Object.entries(themes).flatMap(([theme, cases]) => cases.map((one) => [`${theme}: ${one.name}`, one] as const)),
)
