export {
  type AttributeChanges,
  Directory,
  File,
  Inode,
  type InodeAttributes,
  type InodeInit,
  type ListedName,
  Symlink,
} from './inode.js'
export { NodeFilesystem, type NodeFilesystemOptions } from './node-filesystem.js'
export type { Dirent, HandleTable, Maybe, NodeOperations, NodeTable, Optional } from './operations.js'
export {
  type PathEntry,
  type PathFilesystemOptions,
  type PathOperations,
  pathFilesystem,
} from './path-filesystem.js'
export { ObjectHandles, ObjectNodes } from './tables.js'
export { mountTree, TreeFilesystem, type TreeMount, type TreeOptions } from './tree-filesystem.js'
