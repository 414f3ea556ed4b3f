import type { Result } from '../filesystem.js'
import { constants } from '../native.js'
import * as p from '../protocol/index.js'
import type { Dirent, NodeOperations, NodeTable } from './operations.js'

/**
 * One open directory. What it lists is taken when it is first read and again when it is rewound: an offset is a position
 * in that list, so entries that come or go in between move nothing.
 */
export class DirectorySnapshot<N, H> {
  readonly handle: H | undefined
  readonly #ops: NodeOperations<N, H>
  readonly #nodes: NodeTable<N>
  readonly #node: N
  #entries: Dirent[] | undefined

  constructor(ops: NodeOperations<N, H>, nodes: NodeTable<N>, node: N, handle: H | undefined) {
    this.#ops = ops
    this.#nodes = nodes
    this.#node = node
    this.handle = handle
  }

  /** @param timeouts seconds, for READDIRPLUS: entries come with their nodes */
  list(
    request: p.ReaddirRequest,
    reply: p.DirectoryReply,
    timeouts: { entry: number; attr: number } | undefined,
  ): Result {
    // Offsets that were never given out lie behind the end.
    const offset = request.offsetHigh === 0 ? request.offsetLow : Number.POSITIVE_INFINITY
    if (offset === 0 || !this.#entries) {
      const listed = this.#ops.readdir!(this.#node, this.handle, request)
      if (typeof (listed as PromiseLike<unknown>).then === 'function')
        return (listed as PromiseLike<Iterable<Dirent>>).then((entries) => {
          this.#take(entries)
          return this.#fill(offset, request, reply, timeouts)
        })
      this.#take(listed as Iterable<Dirent>)
    }
    return this.#fill(offset, request, reply, timeouts)
  }

  #take(entries: Iterable<Dirent>): void {
    const type = constants.S_IFDIR
    const list: Dirent[] = [
      { name: '.', ino: 0, type },
      { name: '..', ino: 0, type },
    ]
    for (const entry of entries) {
      if (entry.name === '.') list[0] = entry
      else if (entry.name === '..') list[1] = entry
      else list.push(entry)
    }
    this.#entries = list
  }

  #fill(
    from: number,
    request: p.ReaddirRequest,
    reply: p.DirectoryReply,
    timeouts: { entry: number; attr: number } | undefined,
  ): Result {
    const entries = this.#entries as Dirent[]
    for (let at = from; at < entries.length; at++) {
      const { name, ino, type } = entries[at]
      // The kernel leaves out entries of inode 0; unknown ones get libfuse's stand-in.
      const entry = { name, type, ino: ino || 0xffffffff, offset: at + 1 }
      if (!timeouts || at < 2) {
        const fits = timeouts ? reply.addPlus(entry, () => {}) : reply.add(entry)
        if (!fits) return
        continue
      }
      let pending: PromiseLike<void> | undefined
      const fits = reply.addPlus(entry, (fields) => {
        pending = this.#child(name, request, fields, timeouts)
      })
      if (!fits) return
      if (pending) return pending.then(() => this.#fill(at + 1, request, reply, timeouts))
    }
  }

  /** Fills in an entry's node, or leaves it without one where the name is gone. */
  #child(
    name: string | Uint8Array,
    request: p.ReaddirRequest,
    fields: p.DirectoryEntryFields,
    timeouts: { entry: number; attr: number },
  ): PromiseLike<void> | undefined {
    const fill = (node: N | undefined) => {
      if (node === undefined) return
      const nodeId = this.#nodes.remember(node)
      fields.nodeId = nodeId
      fields.generation = this.#nodes.generation(nodeId)
      fields.entryTimeout = timeouts.entry
      fields.attrTimeout = timeouts.attr
    }
    let found: ReturnType<NodeOperations<N, H>['lookup']>
    try {
      found = this.#ops.lookup(this.#node, p.Name.of(name), fields.attr, request)
    } catch {
      return undefined
    }
    if (found && typeof (found as PromiseLike<N>).then === 'function')
      return (found as PromiseLike<N>).then(fill, () => {})
    fill(found as N | undefined)
    return undefined
  }
}
