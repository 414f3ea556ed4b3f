import { ROOT_ID } from '../protocol/index.js'
import type { HandleTable, NodeTable } from './operations.js'

interface Entry<N> {
  node: N
  lookups: number
}

/** Nodes that are JavaScript objects: one nodeid per object, so an object with two names is a hard link. */
export class ObjectNodes<N extends object> implements NodeTable<N> {
  readonly #entries: (Entry<N> | undefined)[]
  readonly #generations: number[]
  readonly #ids = new Map<N, number>()
  readonly #free: number[] = []
  readonly #forgotten: ((node: N) => void) | undefined

  /** @param forgotten called when the kernel has no reference left */
  constructor(root: N, forgotten?: (node: N) => void) {
    this.#entries = [undefined, { node: root, lookups: 1 }]
    this.#generations = [0, 0]
    this.#ids.set(root, ROOT_ID)
    this.#forgotten = forgotten
  }

  get size(): number {
    return this.#ids.size
  }
  get(nodeId: number): N | undefined {
    return this.#entries[nodeId]?.node
  }
  idOf(node: N): number | undefined {
    return this.#ids.get(node)
  }
  remember(node: N): number {
    let id = this.#ids.get(node)
    if (id === undefined) {
      id = this.#free.pop() ?? this.#entries.length
      this.#entries[id] = { node, lookups: 0 }
      this.#generations[id] = (this.#generations[id] ?? 0) + 1
      this.#ids.set(node, id)
    }
    const entry = this.#entries[id] as Entry<N>
    entry.lookups++
    return id
  }
  generation(nodeId: number): number {
    return this.#generations[nodeId]
  }
  forget(nodeId: number, count: number): void {
    const entry = this.#entries[nodeId]
    if (!entry || nodeId === ROOT_ID) return
    entry.lookups -= count
    if (entry.lookups > 0) return
    this.#entries[nodeId] = undefined
    this.#ids.delete(entry.node)
    this.#free.push(nodeId)
    this.#forgotten?.(entry.node)
  }
}

/** What no handle is: `undefined` may be one. */
const CLOSED = Symbol('closed')

/** Handles that are JavaScript values. */
export class ObjectHandles<H> implements HandleTable<H> {
  readonly #handles: (H | typeof CLOSED)[] = [CLOSED]
  readonly #free: number[] = []
  #size = 0

  get size(): number {
    return this.#size
  }
  open(handle: H): number {
    const fh = this.#free.pop() ?? this.#handles.length
    this.#handles[fh] = handle
    this.#size++
    return fh
  }
  get(fh: number): H | undefined {
    const handle = this.#handles[fh]
    return handle === CLOSED ? undefined : handle
  }
  close(fh: number): void {
    if (fh >= this.#handles.length || this.#handles[fh] === CLOSED) return
    this.#handles[fh] = CLOSED
    this.#free.push(fh)
    this.#size--
  }
}
