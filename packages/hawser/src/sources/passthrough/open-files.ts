import type { HandleTable } from '@hawser/fuse'
import type { PassthroughNodes } from './node-table.js'

/** What is known of an open descriptor. */
export const FileState = { DIRECTORY: 1, WRITTEN: 2, WRITABLE: 4, KERNEL: 8 } as const

/** Open files and directories. A file handle is the descriptor itself, so that every thread of the process can use it. */
export class OpenFiles implements HandleTable<number> {
  readonly #nodes: PassthroughNodes
  /** By descriptor: the node, 0 where it is none of ours; the O_* flags; FileState; the next descriptor of the same node. */
  readonly #node: Uint32Array
  readonly #flags: Int32Array
  readonly #state: Uint8Array
  readonly #next: Int32Array
  #size = 0
  #kernel = 0

  /** @param limit one above the highest descriptor (RLIMIT_NOFILE) */
  constructor(nodes: PassthroughNodes, limit: number) {
    this.#nodes = nodes
    this.#node = new Uint32Array(limit)
    this.#flags = new Int32Array(limit)
    this.#state = new Uint8Array(limit)
    this.#next = new Int32Array(limit)
  }

  get size(): number {
    return this.#size
  }
  /** Files whose reads and writes are the kernel's. */
  get kernelSize(): number {
    return this.#kernel
  }

  /** A new descriptor belongs to a node. */
  add(fd: number, node: number, flags: number, state: number): void {
    this.#node[fd] = node
    this.#flags[fd] = flags
    this.#state[fd] = state
    this.#next[fd] = this.#nodes.openFd(node)
    this.#nodes.opened(node, fd)
    this.#size++
    if (state & FileState.KERNEL) this.#kernel++
  }

  /** The handle table's part: `add` has been called. */
  open(fd: number): number {
    return fd
  }
  get(fh: number): number | undefined {
    return this.#node[fh] > 0 ? fh : undefined
  }
  /** Forgets a descriptor; the caller closes it. */
  close(fd: number): void {
    const node = this.#node[fd]
    // Undefined for what no descriptor can be.
    if (!node) return
    let head = this.#nodes.openFd(node)
    if (head === fd) head = this.#next[fd]
    else
      for (let at = head; at >= 0; at = this.#next[at])
        if (this.#next[at] === fd) {
          this.#next[at] = this.#next[fd]
          break
        }
    this.#node[fd] = 0
    this.#size--
    if (this.#state[fd] & FileState.KERNEL) this.#kernel--
    this.#nodes.closed(node, head)
  }

  flags(fd: number): number {
    return this.#flags[fd]
  }
  setFlags(fd: number, flags: number): void {
    this.#flags[fd] = flags
  }
  state(fd: number): number {
    return this.#state[fd]
  }
  mark(fd: number, bit: number): void {
    this.#state[fd] |= bit
  }
}
