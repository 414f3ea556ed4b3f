import { constants } from '../native.js'
import type * as p from '../protocol/index.js'
import type { Maybe, Optional } from './operations.js'

/** What stat(2) shows, and what statx(2) shows besides. */
export interface InodeAttributes extends p.AttributesInit {
  /** When the file was made; undefined: nobody knows. */
  btime?: p.Time
}

export interface InodeInit {
  /** Default: a number that no other inode of this process has. */
  ino?: number
  /** Permission bits. Default: 0444 for files, 0555 for directories, 0777 for symbolic links. */
  permissions?: number
  /** Default: this process's. */
  uid?: number
  gid?: number
  /** The modification time, and the default of the others. Default: now. */
  mtime?: p.Time
}

/** What SETATTR changes; what is undefined stays. Times are moments: 'now' has been replaced. */
export interface AttributeChanges {
  /** Type and permission bits. */
  mode?: number
  uid?: number
  gid?: number
  size?: number
  atime?: p.Time
  mtime?: p.Time
  ctime?: p.Time
  /** Clear set-user-ID and set-group-ID bits (only with Features.handleKillPriv). */
  killSetId: boolean
}

/** A name of a listing, with what is told of its inode there. */
export type ListedName = readonly [name: string, inode: { readonly ino: number; readonly mode: number }]

let nextIno = 1

/**
 * A file, directory, symbolic link or device as an object: one object is one inode, whatever names it has. Subclasses
 * define the methods that they support, with a result or a promise of it; failures are thrown as FilesystemError. What is
 * not defined is refused with the errno that a read-only file system gives (EROFS, EOPNOTSUPP, ENODATA).
 *
 * The fields are what stat(2) shows, unless `getattr` says something else. Names are strings; bytes that are no UTF-8 are
 * lone surrogates in them (see `decodeName`). `request` tells who asks (uid, gid, pid) and has the AbortSignal.
 */
export abstract class Inode {
  readonly ino: number
  /** Type and permission bits. */
  mode: number
  nlink = 1
  uid: number
  gid: number
  rdev = 0
  /** Bytes. */
  size = 0
  /** 512-byte units; undefined: what `size` needs. */
  blocks: number | undefined
  atime: p.Time
  mtime: p.Time
  ctime: p.Time
  btime: p.Time | undefined

  /** @param mode type and permission bits; `init.permissions` replaces the latter */
  constructor(mode: number, init: InodeInit = {}) {
    const { permissions = mode & 0o7777, mtime = new Date() } = init
    this.ino = init.ino ?? nextIno++
    this.mode = (mode & constants.S_IFMT) | permissions
    this.uid = init.uid ?? process.geteuid?.() ?? 0
    this.gid = init.gid ?? process.getegid?.() ?? 0
    this.atime = mtime
    this.mtime = mtime
    this.ctime = mtime
    this.btime = mtime
  }

  get isDirectory(): boolean {
    return (this.mode & constants.S_IFMT) === constants.S_IFDIR
  }

  /** By default the fields of this object. */
  getattr(_request: p.Request, _handle: unknown): Maybe<InodeAttributes> {
    return this
  }
  setattr?(changes: AttributeChanges, request: p.SetattrRequest, handle: unknown): Maybe<void>

  /** The target of a symbolic link. */
  readlink?(request: p.Request): Maybe<string>

  /** Called for each open(2). What it returns comes back as `handle`; `reply` takes OpenFlag bits. */
  open?(flags: number, request: p.OpenRequest | p.CreateRequest, reply: p.OpenReply | p.CreateReply): unknown
  /**
   * Up to `size` bytes from `offset`; fewer only at the end of the file. Or nothing, when the reply has been filled.
   * The bytes may not change until they are sent (`reply.onSent`).
   */
  read?(
    offset: number,
    size: number,
    handle: unknown,
    request: p.ReadRequest,
    reply: p.ReadReply,
  ): Optional<Uint8Array | string>
  /** All of `data` is written, or as many bytes as it returns. `data` is good until then: copy what is kept. */
  write?(offset: number, data: Buffer, handle: unknown, request: p.WriteRequest): Optional<number>
  /** Each close(2); its errors reach the caller. */
  flush?(handle: unknown, request: p.FlushRequest): Maybe<void>
  fsync?(dataOnly: boolean, handle: unknown, request: p.FsyncRequest): Maybe<void>
  /** After the last close(2). */
  release?(handle: unknown, request: p.ReleaseRequest): Maybe<void>
  /** FALLOC_FL_* bits of fallocate(2) in `mode`. */
  fallocate?(
    offset: number,
    length: number,
    mode: number,
    handle: unknown,
    request: p.FallocateRequest,
  ): Maybe<void>
  /** SEEK_DATA or SEEK_HOLE. By default everything up to `size` is data. */
  lseek?(offset: number, whence: number, handle: unknown, request: p.LseekRequest): Maybe<number>
  /** copy_file_range(2) from here; by default the kernel reads and writes. */
  copyTo?(target: Inode, request: p.CopyFileRangeRequest): Maybe<number>

  /** The inode of a name; undefined: there is none. Give the same object for the same file. */
  lookup?(name: string, request: p.Request): Maybe<Inode | undefined>
  /** All names. '.' may be missing, and '..', whose inode number programs then see as unknown. */
  readdir?(request: p.Request): Maybe<Iterable<ListedName>>
  /** Makes a regular file. `mode` has the type and, the umask applied, the permission bits. */
  create?(name: string, mode: number, request: p.CreateRequest | p.MknodRequest): Maybe<Inode>
  /** Makes a device, FIFO or socket; also regular files where there is no `create`. */
  mknod?(name: string, mode: number, rdev: number, request: p.CreateRequest | p.MknodRequest): Maybe<Inode>
  mkdir?(name: string, mode: number, request: p.MkdirRequest): Maybe<Inode>
  symlink?(name: string, target: string, request: p.SymlinkRequest): Maybe<Inode>
  /** Gives an inode another name here. */
  link?(name: string, inode: Inode, request: p.LinkRequest): Maybe<void>
  unlink?(name: string, request: p.UnlinkRequest): Maybe<void>
  rmdir?(name: string, request: p.UnlinkRequest): Maybe<void>
  /** RENAME_* bits of renameat2(2) in `flags`. */
  rename?(
    name: string,
    newParent: Inode,
    newName: string,
    flags: number,
    request: p.RenameRequest,
  ): Maybe<void>
  /** Makes a file without a name (O_TMPFILE). */
  tmpfile?(mode: number, request: p.CreateRequest): Maybe<Inode>

  /** undefined: there is no such attribute. */
  getxattr?(name: string, request: p.GetxattrRequest): Maybe<Uint8Array | string | undefined>
  listxattr?(request: p.ListxattrRequest): Maybe<Iterable<string>>
  /** XATTR_CREATE or XATTR_REPLACE in `flags`. */
  setxattr?(name: string, value: Buffer, flags: number, request: p.SetxattrRequest): Maybe<void>
  removexattr?(name: string, request: p.RemovexattrRequest): Maybe<void>

  ioctl?(request: p.IoctlRequest, reply: p.IoctlReply, handle: unknown): Maybe<void>
  /** By default a file is always ready. */
  poll?(request: p.PollRequest, reply: p.PollReply, handle: unknown): Maybe<void>
  /** Of the root only. */
  statfs?(request: p.Request): Maybe<p.StatfsInit>
  /** The kernel has no reference left. It may come back by `lookup`. */
  forgotten?(): void
}
