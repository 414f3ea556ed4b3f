export {
  type AttributeChanges,
  Inode,
  type InodeAttributes,
  type InodeInit,
  type ListedName,
} from './inode.js'
export { NodeFilesystem, type NodeFilesystemOptions } from './node-filesystem.js'
export type { Dirent, HandleTable, Maybe, NodeOperations, NodeTable, Optional } from './operations.js'
export {
  type PathEntry,
  type PathFilesystemOptions,
  type PathOperations,
  pathFilesystem,
} from './path-filesystem.js'
export { Directory, File, Symlink } from './static-inodes.js'
export { ObjectHandles, ObjectNodes } from './tables.js'
export { mountTree, TreeFilesystem, type TreeMount, type TreeOptions } from './tree-filesystem.js'
