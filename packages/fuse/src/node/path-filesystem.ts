import { FilesystemError } from '../errors.js'
import type { Filesystem, Host } from '../filesystem.js'
import type * as p from '../protocol/index.js'
import type { AttributeChanges, InodeAttributes } from './inode.js'
import { NodeFilesystem } from './node-filesystem.js'
import type { Maybe, Optional } from './operations.js'
import { PathNode, PathNodes } from './path-node.js'
import { PathBridge } from './path-operations.js'

/** A name of a listing: alone, or with what is known of it. */
export type PathEntry = string | { name: string; ino?: number /** S_IF* bits. */; mode?: number }

/**
 * A file system by paths, for those who come from high-level FUSE libraries. A path begins with '/', is relative to the
 * mount, and follows the tree: after a directory was renamed, what is open or cached below it has the new path. Every
 * method but `getattr` is optional, may return a promise, and throws a FilesystemError (or an error of node:fs) to fail.
 *
 * `handle` is what `open`, `create` or `opendir` returned. A file that is removed while it is open keeps its last path,
 * and only methods with a handle are called for it; a system without handles answers ENOENT then.
 * Hard links need inodes: see `mountTree`. Each path is a file of its own here, and link(2) fails with EPERM.
 */
export interface PathOperations<H = unknown> {
  init?(host: Host): void
  destroy?(): Maybe<void>
  /** undefined: there is no such file. */
  getattr(path: string, handle: H | undefined, request: p.Request): Maybe<InodeAttributes | undefined>
  /** chmod, chown, truncate, utimens: what is to change is defined. */
  setattr?(
    path: string,
    changes: AttributeChanges,
    handle: H | undefined,
    request: p.SetattrRequest,
  ): Maybe<void>
  /** All names but '.' and '..'. */
  readdir?(path: string, handle: H | undefined, request: p.Request): Maybe<Iterable<PathEntry>>
  readlink?(path: string, request: p.Request): Maybe<string>
  /** O_* bits in `flags`. */
  open?(path: string, flags: number, request: p.OpenRequest, reply: p.OpenReply): Maybe<H>
  /** Makes and opens a regular file; `mode` has its type and permission bits. */
  create?(path: string, mode: number, flags: number, request: p.CreateRequest): Maybe<H>
  /** Puts bytes from `offset` into `buffer` and returns how many; or returns the bytes themselves. Fewer only at the end. */
  read?(
    path: string,
    buffer: Buffer,
    offset: number,
    handle: H | undefined,
    request: p.ReadRequest,
  ): Maybe<number | Uint8Array | string>
  /** Returns how many bytes were written; nothing: all. `data` is good until then. */
  write?(
    path: string,
    data: Buffer,
    offset: number,
    handle: H | undefined,
    request: p.WriteRequest,
  ): Optional<number>
  flush?(path: string, handle: H | undefined, request: p.FlushRequest): Maybe<void>
  fsync?(path: string, dataOnly: boolean, handle: H | undefined, request: p.FsyncRequest): Maybe<void>
  release?(path: string, handle: H | undefined, request: p.ReleaseRequest): Maybe<void>
  mkdir?(path: string, mode: number, request: p.MkdirRequest): Maybe<void>
  mknod?(path: string, mode: number, rdev: number, request: p.MknodRequest): Maybe<void>
  symlink?(path: string, target: string, request: p.SymlinkRequest): Maybe<void>
  unlink?(path: string, request: p.Request): Maybe<void>
  rmdir?(path: string, request: p.Request): Maybe<void>
  /** RENAME_* bits of renameat2(2) in `flags`: refuse (EINVAL) those that you do not know. */
  rename?(from: string, to: string, flags: number, request: p.RenameRequest): Maybe<void>
  opendir?(path: string, request: p.OpenRequest): Maybe<H>
  releasedir?(path: string, handle: H | undefined, request: p.ReleaseRequest): Maybe<void>
  statfs?(path: string, request: p.Request): Maybe<p.StatfsInit>
  /** undefined: there is no such attribute. */
  getxattr?(path: string, name: string, request: p.GetxattrRequest): Maybe<Uint8Array | string | undefined>
  listxattr?(path: string, request: p.ListxattrRequest): Maybe<Iterable<string>>
  setxattr?(path: string, name: string, value: Buffer, flags: number, request: p.SetxattrRequest): Maybe<void>
  removexattr?(path: string, name: string, request: p.Request): Maybe<void>
}

export interface PathFilesystemOptions {
  /** Seconds that the kernel may keep a name, attributes, and the absence of a name. Defaults 1, 1, 0. */
  entryTimeout?: number
  attrTimeout?: number
  negativeTimeout?: number
}

/** A file system of functions on paths, to be given to `mount`. */
export function pathFilesystem<H = unknown>(
  operations: PathOperations<H>,
  options: PathFilesystemOptions = {},
): Filesystem {
  if (typeof operations.getattr !== 'function') {
    throw new FilesystemError('EINVAL', 'a path file system needs getattr')
  }
  const nodes = new PathNodes(new PathNode<H>(undefined, ''))
  return new NodeFilesystem(new PathBridge(operations), { nodes, ...options })
}
