import { native } from '@hawser/fuse'
import type { PassthroughNodes } from './node-table.js'

/** In a node's record: what follows is a pinned descriptor, not a slot of the cache. */
const PINNED = 1 << 30
/** Of a pinned one: its file has much to free. */
const LARGE = 1 << 29

/** O_PATH descriptors of nodes that were used lately: a bounded number, however large the tree. */
export class DescriptorCache {
  readonly #nodes: PassthroughNodes
  readonly #node: Uint32Array
  readonly #fd: Int32Array
  /** 1: used since the hand passed (the clock algorithm). */
  readonly #used: Uint8Array
  #hand = 0
  #size = 0

  constructor(nodes: PassthroughNodes, capacity: number) {
    this.#nodes = nodes
    this.#node = new Uint32Array(capacity)
    this.#fd = new Int32Array(capacity).fill(-1)
    this.#used = new Uint8Array(capacity)
  }

  /** Descriptors held, those that are pinned included. */
  get size(): number {
    return this.#size
  }

  /** The node's descriptor, or -1. */
  get(node: number): number {
    const kept = this.#nodes.descriptor(node)
    if (kept < 0) return -1
    if (kept & PINNED) return kept & ~(PINNED | LARGE)
    this.#used[kept] = 1
    return this.#fd[kept]
  }

  /** Takes a descriptor over; another one may be closed for it. */
  put(node: number, fd: number): void {
    const { length } = this.#fd
    while (this.#fd[this.#hand] >= 0 && this.#used[this.#hand] !== 0) {
      this.#used[this.#hand] = 0
      this.#hand = (this.#hand + 1) % length
    }
    const slot = this.#hand
    this.#hand = (slot + 1) % length
    if (this.#fd[slot] >= 0) {
      // Not now: who handles a request may have been given it a moment ago.
      native.closeSoon(this.#fd[slot])
      this.#nodes.setDescriptor(this.#node[slot], -1)
    } else this.#size++
    this.#node[slot] = node
    this.#fd[slot] = fd
    this.#used[slot] = 1
    this.#nodes.setDescriptor(node, slot)
  }

  /**
   * Keeps a node's descriptor until the node is forgotten: nothing else leads to it any more.
   * @param large whether closing it may have much to free
   */
  pin(node: number, fd: number, large: boolean): void {
    this.#nodes.setDescriptor(node, fd | PINNED | (large ? LARGE : 0))
    this.#size++
  }

  isPinned(node: number): boolean {
    const kept = this.#nodes.descriptor(node)
    return kept >= 0 && (kept & PINNED) !== 0
  }

  isLarge(node: number): boolean {
    return this.isPinned(node) && (this.#nodes.descriptor(node) & LARGE) !== 0
  }

  /** Gives a node's descriptor up to be closed, or -1. */
  take(node: number): number {
    const kept = this.#nodes.descriptor(node)
    if (kept < 0) return -1
    this.#nodes.setDescriptor(node, -1)
    this.#size--
    if (kept & PINNED) return kept & ~(PINNED | LARGE)
    const fd = this.#fd[kept]
    this.#fd[kept] = -1
    this.#used[kept] = 0
    return fd
  }
}
