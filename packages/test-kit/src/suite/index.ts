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
import { cases as links } from './links.js'
import { cases as locks } from './locks.js'
import { cases as many } from './many.js'
import { cases as mmap } from './mmap.js'
import { cases as names } from './names.js'
import { cases as ownership } from './ownership.js'
import { cases as permissions } from './permissions.js'
import { cases as readOnly } from './read-only.js'
import { cases as rename } from './rename.js'
import { cases as timestamps } from './timestamps.js'
import { cases as tmpfile } from './tmpfile.js'
import { cases as truncate } from './truncate.js'
import { cases as unlinked } from './unlinked.js'
import { cases as xattr } from './xattr.js'

const themes: Record<string, ConformanceCase[]> = {
  basic,
  names,
  links,
  errno,
  permissions,
  ownership,
  timestamps,
  directories,
  rename,
  unlinked,
  tmpfile,
  truncate,
  append,
  holes,
  'copy-file-range': copyFileRange,
  'direct-io': directIo,
  mmap,
  locks,
  xattr,
  acl,
  many,
  'read-only': readOnly,
}

export const suite: ReadonlyMap<string, ConformanceCase> = new Map(
  Object.entries(themes).flatMap(([theme, cases]) =>
    cases.map((one) => [`${theme}: ${one.name}`, one] as const),
  ),
)
