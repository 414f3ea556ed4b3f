import type { PassthroughNodes } from './node-table.js'

/** Nodes by file handle: what fanotify(7) names files by. Every live node that has a handle is in it. */
export class HandleIndex {
  readonly #nodes: PassthroughNodes
  #buckets = new Uint32Array(1024)
  /** The next node in the same bucket, by node. */
  #next = new Uint32Array(1024)
  #size = 0

  constructor(nodes: PassthroughNodes) {
    this.#nodes = nodes
  }

  get size(): number {
    return this.#size
  }

  add(node: number): void {
    if (node >= this.#next.length) {
      const next = new Uint32Array(Math.max(node + 1, Math.ceil(this.#next.length * 1.5)))
      next.set(this.#next)
      this.#next = next
    }
    if (this.#size >= this.#buckets.length) this.#widen()
    this.#link(node)
    this.#size++
  }

  /** To be called while the node still has its handle. */
  remove(node: number): void {
    const bucket = this.#bucketOf(node)
    let before = 0
    let at = this.#buckets[bucket]
    while (at !== node) {
      if (at === 0) return
      before = at
      at = this.#next[at]
    }
    if (before === 0) this.#buckets[bucket] = this.#next[node]
    else this.#next[before] = this.#next[node]
    this.#size--
  }

  /** The node whose handle is the `length` bytes from `start`; 0: not here. The latest one counts. */
  find(bytes: Uint8Array, start: number, length: number, type: number): number {
    const nodes = this.#nodes
    const stored = nodes.arena.bytes
    let node = this.#buckets[this.#bucket(bytes, start, length)]
    for (; node !== 0; node = this.#next[node]) {
      if (nodes.handleLength(node) !== length || nodes.handleType(node) !== type) continue
      const from = nodes.handleStart(node)
      let same = 0
      while (same < length && stored[from + same] === bytes[start + same]) same++
      if (same === length) return node
    }
    return 0
  }

  #link(node: number): void {
    const bucket = this.#bucketOf(node)
    this.#next[node] = this.#buckets[bucket]
    this.#buckets[bucket] = node
  }

  #bucketOf(node: number): number {
    const nodes = this.#nodes
    return this.#bucket(nodes.arena.bytes, nodes.handleStart(node), nodes.handleLength(node))
  }

  #bucket(bytes: Uint8Array, start: number, length: number): number {
    let hash = length
    for (let at = start, end = start + length; at < end; at++) hash = Math.imul(hash ^ bytes[at], 0x01000193)
    hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b)
    return ((hash ^ (hash >>> 13)) >>> 0) & (this.#buckets.length - 1)
  }

  #widen(): void {
    const old = this.#buckets
    this.#buckets = new Uint32Array(old.length * 2)
    // Chains are turned round twice, so that the latest of equal handles stays the first.
    const chain: number[] = []
    for (const first of old) {
      for (let node = first; node !== 0; node = this.#next[node]) chain.push(node)
      while (chain.length > 0) this.#link(chain.pop() as number)
    }
  }
}
