// The same file system as native/libfuse-memory.c, with @hawser/fuse: one file in memory, /data, and nothing cached.
//
//   node memory-server.js [--bytes=N] [--layer=wire|node] MOUNTPOINT
import { parseArgs } from 'node:util'
import {
  type Attributes,
  type AttrReply,
  constants,
  type EntryReply,
  errno,
  type Filesystem,
  type GetattrRequest,
  type LookupRequest,
  mount,
  type Name,
  NodeFilesystem,
  type NodeOperations,
  ObjectNodes,
  OpenFlag,
  type OpenReply,
  type OpenRequest,
  type ReadReply,
  type ReadRequest,
} from '@hawser/fuse'

const rootNode = 1
const fileNode = 2

const { values, positionals } = parseArgs({
  options: {
    bytes: { type: 'string', default: String(64 * 2 ** 20) },
    layer: { type: 'string', default: 'wire' },
  },
  allowPositionals: true,
})
const size = Number(values.bytes)
const mountpoint = positionals[0]

const content = Buffer.alloc(size)
for (let offset = 0; offset + 8 <= size; offset += 4096) content.writeBigUInt64LE(BigInt(offset), offset)
const started = new Date()
const uid = process.getuid?.() ?? 0
const gid = process.getgid?.() ?? 0

function fillRoot(attr: Attributes): void {
  attr.set({ ino: rootNode, mode: constants.S_IFDIR | 0o755, mtime: started, uid, gid })
}

function fillFile(attr: Attributes): void {
  attr.set({ ino: fileNode, mode: constants.S_IFREG | 0o644, size, mtime: started, uid, gid })
}

function readContent(request: ReadRequest, reply: ReadReply): void {
  const { offset } = request
  reply.data(content.subarray(offset, offset + request.size))
}

/** One method an operation of the kernel's. */
class WireFilesystem implements Filesystem {
  lookup(request: LookupRequest, reply: EntryReply): void {
    if (request.nodeId !== rootNode || request.name.toString() !== 'data') {
      reply.fail(errno.ENOENT)
    } else {
      reply.nodeId = fileNode
      fillFile(reply.attr)
    }
  }
  getattr(request: GetattrRequest, reply: AttrReply): void {
    if (request.nodeId === rootNode) fillRoot(reply.attr)
    else fillFile(reply.attr)
  }
  open(_request: OpenRequest, reply: OpenReply): void {
    reply.flags = OpenFlag.DIRECT_IO
  }
  read(request: ReadRequest, reply: ReadReply): void {
    readContent(request, reply)
  }
}

interface MemoryNode {
  kind: 'root' | 'file'
}

/** The same through the layer that keeps nodeids and handles. */
class NodeLayer implements NodeOperations<MemoryNode, MemoryNode> {
  readonly root: MemoryNode = { kind: 'root' }
  readonly #file: MemoryNode = { kind: 'file' }

  lookup(parent: MemoryNode, name: Name, attr: Attributes): MemoryNode | undefined {
    if (parent !== this.root || name.toString() !== 'data') return undefined
    fillFile(attr)
    return this.#file
  }
  getattr(node: MemoryNode, attr: Attributes): void {
    if (node === this.root) fillRoot(attr)
    else fillFile(attr)
  }
  open(node: MemoryNode, _request: OpenRequest, reply: OpenReply): MemoryNode {
    reply.flags = OpenFlag.DIRECT_IO
    return node
  }
  read(_node: MemoryNode, _handle: MemoryNode | undefined, request: ReadRequest, reply: ReadReply): void {
    readContent(request, reply)
  }
}

function filesystem(): Filesystem {
  if (values.layer === 'wire') return new WireFilesystem()
  const operations = new NodeLayer()
  const nodes = new ObjectNodes<MemoryNode>(operations.root)
  return new NodeFilesystem(operations, { nodes, entryTimeout: 0, attrTimeout: 0 })
}

const mounted = await mount(filesystem(), mountpoint, { subtype: 'hawser-bench' })
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void mounted.unmount('lazy'))
}
await mounted.closed
