import { type ErrnoName, errno } from './native.js'

const names = new Map(Object.entries(errno).map(([name, value]) => [value, name]))

/** The name of an errno value, such as 'ENOENT'; 'errno 1234' where it has none. */
export function errnoName(value: number): string {
  return names.get(value) ?? `errno ${value}`
}

/** A failure that the caller of the file system sees as this errno. */
export class FilesystemError extends Error {
  override readonly name = 'FilesystemError'
  readonly code: string
  /** Positive, as in errno(3). */
  readonly errno: number

  constructor(code: ErrnoName | number, message?: string) {
    const value = typeof code === 'number' ? code : errno[code]
    super(message ?? errnoName(value))
    this.errno = value
    this.code = errnoName(value)
  }
}

/** A failure to mount, unmount or serve; `code` is stable. */
export class FuseError extends Error {
  override readonly name = 'FuseError'
  readonly code: FuseErrorCode
  constructor(code: FuseErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

export type FuseErrorCode =
  | 'FUSE_DEVICE' // /dev/fuse is missing or may not be opened
  | 'FUSE_MOUNT' // the kernel or fusermount3 refused to mount
  | 'FUSE_MOUNTPOINT' // the mount point is missing or unsuitable
  | 'FUSE_PROTOCOL' // the kernel speaks a version that is not served
  | 'FUSE_UNMOUNT' // still in use, or not ours
  | 'FUSE_OPTION' // an option's value is out of range
  | 'FUSE_CLOSED' // the session has ended

/** A negated errno from the addon becomes a FilesystemError; other results pass. */
export function checked(result: number): number {
  if (result < 0) throw new FilesystemError(-result)
  return result
}
