import { type Features, NodeFilesystem } from '@hawser/fuse'
import type { PassthroughOptions } from './options.js'
import { Passthrough, TIMEOUTS } from './passthrough.js'
import { openSourceRoot } from './source-root.js'

export type { PassthroughOptions } from './options.js'

export interface PassthroughSource {
  readonly filesystem: NodeFilesystem<number, number>
  /** What to ask of the kernel for it. */
  readonly features: Features
  readonly operations: Passthrough
}

/** Opens a local directory as a file system. Throws a FilesystemError with open(2)'s errno. */
export function openPassthrough(options: PassthroughOptions): PassthroughSource {
  const root = openSourceRoot(options.directory, options.submounts)
  const operations = new Passthrough(root, options)
  operations.credentials.ownersShown = options.uid !== undefined || options.gid !== undefined
  const timeout = TIMEOUTS[options.cache]
  const filesystem = new NodeFilesystem(operations, {
    nodes: operations.resolver.nodes,
    handles: operations.files,
    entryTimeout: timeout,
    attrTimeout: timeout,
    negativeTimeout: options.cache === 'always' ? timeout : 0,
  })
  return {
    filesystem,
    operations,
    features: {
      atomicTruncate: true,
      dontMask: true,
      handleKillPriv: operations.credentials.privileged,
      supplementaryGroup: operations.credentials.privileged,
      posixAcl: options.acl,
      posixLocks: options.forwardLocks,
      flockLocks: options.forwardLocks,
      invalidation: options.cache === 'always' ? 'explicit' : 'auto',
      kernelPassthrough: options.kernelPassthrough && operations.credentials.privileged,
      maxStackDepth: 1,
      // Without a mount of our own, statx(2) on every entry could walk into our mount.
      readdirplus: root.isolated || options.submounts ? 'auto' : 'never',
    },
  }
}
