import { native, sys } from '@hawser/fuse'
import type { PassthroughNodes } from './node-table.js'

/** O_PATH descriptors of nodes that were used lately: a bounded number, however large the tree. */
export class DescriptorCache {
  readonly #nodes: PassthroughNodes
  readonly #node: Uint32Array
  readonly #fd: Int32Array
  /** 1: used since the hand passed (the clock algorithm); 2: kept until the node is forgotten. */
  readonly #state: Uint8Array
  #hand = 0
  #used = 0
  /** Descriptors of nodes that nothing else leads to, beyond the cache's own number. */
  readonly #pinned = new Map<number, number>()
  /** Of these, the nodes whose last close may have much to free. */
  readonly #large = new Set<number>()

  constructor(nodes: PassthroughNodes, capacity: number) {
    this.#nodes = nodes
    this.#node = new Uint32Array(capacity)
    this.#fd = new Int32Array(capacity).fill(-1)
    this.#state = new Uint8Array(capacity)
  }

  get size(): number {
    return this.#used + this.#pinned.size
  }

  /** The node's descriptor, or -1. */
  get(node: number): number {
    const slot = this.#nodes.cacheSlot(node)
    if (slot < 0) return this.#pinned.size > 0 ? (this.#pinned.get(node) ?? -1) : -1
    this.#state[slot] = 1
    return this.#fd[slot]
  }

  /** Takes a descriptor over; another one may be closed for it. */
  put(node: number, fd: number): void {
    const { length } = this.#fd
    while (this.#fd[this.#hand] >= 0 && this.#state[this.#hand] !== 0) {
      this.#state[this.#hand] = 0
      this.#hand = (this.#hand + 1) % length
    }
    const slot = this.#hand
    this.#hand = (slot + 1) % length
    if (this.#fd[slot] >= 0) {
      native.syscall(sys.close, this.#fd[slot])
      this.#nodes.setCacheSlot(this.#node[slot], -1)
    } else this.#used++
    this.#node[slot] = node
    this.#fd[slot] = fd
    this.#state[slot] = 1
    this.#nodes.setCacheSlot(node, slot)
  }

  /** Keeps a node's descriptor until the node is forgotten: nothing else leads to it any more. */
  pin(node: number, fd: number, large: boolean): void {
    this.#pinned.set(node, fd)
    if (large) this.#large.add(node)
  }

  isLarge(node: number): boolean {
    return this.#large.size > 0 && this.#large.has(node)
  }

  isPinned(node: number): boolean {
    return this.#pinned.size > 0 && this.#pinned.has(node)
  }

  #empty(node: number, slot: number): void {
    this.#fd[slot] = -1
    this.#state[slot] = 0
    this.#used--
    this.#nodes.setCacheSlot(node, -1)
  }

  /** Gives a node's descriptor up to be closed, or -1. */
  take(node: number): number {
    const slot = this.#nodes.cacheSlot(node)
    if (slot >= 0) {
      const fd = this.#fd[slot]
      this.#empty(node, slot)
      return fd
    }
    if (this.#pinned.size === 0) return -1
    const fd = this.#pinned.get(node) ?? -1
    this.#pinned.delete(node)
    if (this.#large.size > 0) this.#large.delete(node)
    return fd
  }
}
