import { readFileSync, realpathSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { UsageError } from './verb.js'

const descriptor = /^\/dev\/fd\/\d+$/

export function isDescriptor(mountpoint: string): boolean {
  return descriptor.test(mountpoint)
}

/** Whether something is mounted exactly there: from the kernel's table, without asking any file system. */
function isMounted(path: string): boolean {
  const escaped = path.replace(/[ \t\n\\#]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`)
  return readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${escaped} `)
}

/**
 * The mount point's absolute name without symbolic links. The directory itself is not looked at where something is
 * mounted on it, which may be dead or hang: only its parents are resolved.
 */
export function canonicalMountpoint(path: string): string {
  if (path === '') throw new UsageError('MOUNTPOINT is empty')
  if (isDescriptor(path)) return path
  const absolute = resolve(path)
  if (absolute === '/' || isMounted(absolute)) return absolute
  let name = absolute
  try {
    name = join(realpathSync(dirname(absolute)), basename(absolute))
    return isMounted(name) ? name : realpathSync(name)
  } catch {
    return name // whoever mounts or unmounts it says what is wrong
  }
}

/** A local source without a dot at its beginning, since the background process has another working directory. */
export function absoluteSource(source: string): string {
  if (source.startsWith('dir:')) return `dir:${resolve(source.slice(4))}`
  return /^[a-z][a-z0-9+.-]*:/i.test(source) ? source : resolve(source)
}

/** Whether a path lies under a mount point, where its server must not write. */
export function isUnder(path: string, mountpoint: string): boolean {
  return path === mountpoint || path.startsWith(mountpoint === '/' ? '/' : `${mountpoint}/`)
}
