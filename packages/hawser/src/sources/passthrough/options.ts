import type { FilesystemKind } from './filesystem-kind.js'

export interface PassthroughOptions {
  /** Absolute path of a directory. */
  directory: string
  /** never: nothing is kept; auto: names and attributes for a second, data until a file is opened again; always: all of it, for a source that nobody else changes, or that is watched. */
  cache: 'never' | 'auto' | 'always'
  readOnly: boolean
  /** Serve reads and writes of regular files in the kernel where it lets us (root). */
  kernelPassthrough: boolean
  /** Forward locks to the source's files. */
  forwardLocks: boolean
  submounts: boolean
  /** Drop what the kernel keeps as soon as another process has changed it beneath (root). Not with submounts. */
  watch?: boolean
  xattr: boolean
  acl: boolean
  /** Shown as every file's owner and group; and bits taken away from every mode. */
  uid?: number
  gid?: number
  umask?: number
  /** Take this instead of what statfs(2) says. For tests. */
  kind?: FilesystemKind
}
