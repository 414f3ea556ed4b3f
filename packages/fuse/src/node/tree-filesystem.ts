import type { Host } from '../filesystem.js'
import { type FuseMount, type FuseMountOptions, mount } from '../mount.js'
import type { Inode } from './inode.js'
import { NodeFilesystem } from './node-filesystem.js'
import type { Maybe } from './operations.js'
import { ObjectNodes } from './tables.js'
import { type OpenInode, TreeOperations } from './tree-operations.js'

export interface TreeOptions {
  /** Seconds that the kernel may keep a name, attributes, and the absence of a name. Defaults 1, 1, 0. */
  entryTimeout?: number
  attrTimeout?: number
  negativeTimeout?: number
  /** Called when the kernel's INIT has been answered. */
  started?: (host: Host) => void
  /** Called when the mount has ended. */
  ended?: () => Maybe<void>
}

/** A file system of Inode objects. */
export class TreeFilesystem extends NodeFilesystem<Inode, OpenInode> {
  readonly root: Inode
  readonly #nodes: ObjectNodes<Inode>
  readonly #host: { current: Host | undefined }

  constructor(root: Inode, options: TreeOptions = {}) {
    const { started, ended, ...timeouts } = options
    const nodes = new ObjectNodes(root, (inode) => inode.forgotten?.())
    const host: { current: Host | undefined } = { current: undefined }
    const operations = new TreeOperations(
      root,
      (current) => {
        host.current = current
        started?.(current)
      },
      ended,
    )
    super(operations, { nodes, ...timeouts })
    this.root = root
    this.#nodes = nodes
    this.#host = host
  }

  /** Undefined until the kernel's INIT has been answered. */
  get host(): Host | undefined {
    return this.#host.current
  }

  /**
   * Tells the kernel that an inode changed otherwise than through the mount: it asks for attributes again, and for the
   * content from `offset` on (`length` bytes; 0: to the end).
   */
  inodeChanged(inode: Inode, offset = 0, length = 0): void {
    const nodeId = this.#nodes.idOf(inode)
    if (nodeId !== undefined) this.host?.notifier.invalidateInode(nodeId, offset, length)
  }

  /** Tells the kernel that a name came, went, or stands for something else. */
  nameChanged(directory: Inode, name: string): void {
    const nodeId = this.#nodes.idOf(directory)
    if (nodeId === undefined) return
    this.host?.notifier.invalidateEntry(nodeId, name)
    // The directory's own attributes and its cached listing.
    this.host?.notifier.invalidateInode(nodeId)
  }
}

export interface TreeMount extends FuseMount {
  readonly tree: TreeFilesystem
}

/**
 * Mounts a tree of inodes. The kernel checks their modes and owners (`defaultPermissions`), unless told otherwise.
 * @throws FuseError
 */
export async function mountTree(
  root: Inode,
  mountpoint: string,
  options: TreeOptions & FuseMountOptions = {},
): Promise<TreeMount> {
  const { entryTimeout, attrTimeout, negativeTimeout, started, ended, ...mountOptions } = options
  const tree = new TreeFilesystem(root, { entryTimeout, attrTimeout, negativeTimeout, started, ended })
  const mounted = await mount(tree, mountpoint, {
    defaultPermissions: true,
    rootMode: root.mode,
    ...mountOptions,
  })
  return { ...mounted, tree }
}
