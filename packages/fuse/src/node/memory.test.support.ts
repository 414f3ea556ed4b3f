// A small tree in memory for tests of the node layer.
import { FilesystemError } from '../errors.js'
import { constants } from '../native.js'
import type { Attributes, Name } from '../protocol/index.js'
import { NodeFilesystem, type NodeFilesystemOptions } from './node-filesystem.js'
import type { NodeOperations } from './operations.js'
import { ObjectNodes } from './tables.js'

export class MemoryNode {
  readonly mode: number
  readonly ino: number
  nlink = 1
  data = Buffer.alloc(0)
  /** By name, each byte a character. */
  readonly children = new Map<string, MemoryNode>()
  constructor(mode: number, ino: number) {
    this.mode = mode
    this.ino = ino
  }
}

const key = (name: Name) => name.bytes.toString('latin1')
let nextIno = 2

export function file(text = ''): MemoryNode {
  const node = new MemoryNode(constants.S_IFREG | 0o644, nextIno++)
  node.data = Buffer.from(text)
  return node
}
export function directory(children: Record<string, MemoryNode> = {}): MemoryNode {
  const node = new MemoryNode(constants.S_IFDIR | 0o755, nextIno++)
  for (const [name, child] of Object.entries(children)) node.children.set(name, child)
  return node
}

export interface Memory {
  root: MemoryNode
  nodes: ObjectNodes<MemoryNode>
  filesystem: NodeFilesystem<MemoryNode, MemoryNode>
  /** Nodes that the kernel let go, in order. */
  forgotten: MemoryNode[]
  /** Names that were looked up, by LOOKUP or for READDIRPLUS. */
  lookups: string[]
}

const forEver = {
  entryTimeout: Number.POSITIVE_INFINITY,
  attrTimeout: Number.POSITIVE_INFINITY,
}

export function memory(
  root: MemoryNode,
  operations: Partial<NodeOperations<MemoryNode, MemoryNode>> = {},
  options: Partial<NodeFilesystemOptions<MemoryNode, MemoryNode>> = forEver,
): Memory {
  const forgotten: MemoryNode[] = []
  const lookups: string[] = []
  const nodes = new ObjectNodes(root, (node) => forgotten.push(node))
  const fill = (node: MemoryNode, attr: Attributes) =>
    attr.set({ ino: node.ino, mode: node.mode, size: node.data.length, nlink: node.nlink })
  const filesystem = new NodeFilesystem<MemoryNode, MemoryNode>(
    {
      lookup(parent, name, attr) {
        lookups.push(key(name))
        const node = parent.children.get(key(name))
        if (node) fill(node, attr)
        return node
      },
      getattr: (node, attr) => fill(node, attr),
      open: (node) => node,
      create(parent, request, reply) {
        const node = file()
        parent.children.set(key(request.name), node)
        fill(node, reply.entry.attr)
        return { node, handle: node }
      },
      mkdir(parent, request, attr) {
        const node = directory()
        parent.children.set(key(request.name), node)
        fill(node, attr)
        return node
      },
      read: (node, _handle, { offset, size }, reply) => reply.data(node.data.subarray(offset, offset + size)),
      link(target, parent, request, attr) {
        parent.children.set(key(request.name), target)
        target.nlink++
        fill(target, attr)
        return target
      },
      unlink(parent, name) {
        const node = parent.children.get(key(name))
        if (!node) throw new FilesystemError('ENOENT')
        node.nlink--
        parent.children.delete(key(name))
      },
      readdir: (node) =>
        [...node.children].map(([name, child]) => ({
          name: Buffer.from(name, 'latin1'),
          ino: child.ino,
          type: child.mode & constants.S_IFMT,
        })),
      ...operations,
    },
    { nodes, ...options },
  )
  return { root, nodes, filesystem, forgotten, lookups }
}
