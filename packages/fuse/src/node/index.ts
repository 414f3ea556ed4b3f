export { NodeFilesystem, type NodeFilesystemOptions } from './node-filesystem.js'
export type { Dirent, HandleTable, Maybe, NodeOperations, NodeTable } from './operations.js'
export { ObjectHandles, ObjectNodes } from './tables.js'
