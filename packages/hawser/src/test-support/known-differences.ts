// Where a mount differs from the directory beneath it, by case of the conformance suite, with the reason.
import type { CachePolicy } from '../mount/types.js'

export interface Setting {
  source: 'ext4' | 'tmpfs' | 'overlay'
  cache: CachePolicy
  /** Whether the kernel reads and writes itself. */
  kernelPassthrough: boolean
}

export function knownDifferences({ source, cache, kernelPassthrough }: Setting): Record<string, string> {
  const differences: Record<string, string> = {}
  if (source !== 'tmpfs')
    differences['errno: a position beyond the largest file is taken or refused as on the reference'] =
      'lseek(2) is answered by the kernel, which allows a FUSE file any position; reading or writing there fails as beneath'
  else {
    const size = 'sizes of 2^53 and more, which tmpfs allows to a file without contents, are EFBIG'
    differences['errno: offsets: negative ones are EINVAL, beyond the largest file EFBIG, far reads empty'] =
      size
    differences['truncate: beyond what the filesystem can hold it has the errno of the reference'] = size
  }
  if (!kernelPassthrough && source !== 'tmpfs')
    differences[
      'mmap: what was stored beyond the end does not appear when the file grows, as on the reference'
    ] = 'the kernel does not clear the rest of the last page of a FUSE file when it grows (fuse_do_setattr)'
  if (!kernelPassthrough && cache === 'always')
    differences['timestamps: atime after a read is as on the reference'] =
      'what the kernel reads from its own pages, the source does not see'
  return differences
}
