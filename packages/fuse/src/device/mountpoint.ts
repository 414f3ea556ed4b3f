import { errnoName, FilesystemError, FuseError } from '../errors.js'
import { constants, errno } from '../native.js'
import { locate } from './identity.js'

/**
 * The mount point without symbolic links. It exists and has the root's type; what it holds is nobody's concern.
 * @throws FuseError FUSE_MOUNTPOINT
 */
export async function mountTarget(mountpoint: string, rootType: number): Promise<string> {
  const { path, identity } = await locate(mountpoint).catch((cause) => {
    throw mountpointError(mountpoint, cause)
  })
  if (identity.type === rootType) return path
  const wanted = rootType === constants.S_IFDIR ? 'a directory' : 'a regular file'
  throw new FuseError('FUSE_MOUNTPOINT', `mount point ${mountpoint} is not ${wanted}`)
}

/** Why a mount point cannot be reached. */
export function mountpointError(mountpoint: string, cause: unknown): unknown {
  if (!(cause instanceof FilesystemError)) return cause
  const why =
    new Map([
      [errno.ENOENT, 'does not exist'],
      [errno.ENOTDIR, 'lies below something that is no directory'],
      [errno.EACCES, `cannot be reached by user ${process.geteuid?.()}: permission denied`],
      [errno.ELOOP, 'has too many symbolic links'],
    ]).get(cause.errno) ?? `cannot be used: ${errnoName(cause.errno)}`
  return new FuseError('FUSE_MOUNTPOINT', `mount point ${mountpoint} ${why}`, { cause })
}
