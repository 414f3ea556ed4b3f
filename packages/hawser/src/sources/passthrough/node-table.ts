// The table of live nodes: one record per file that the kernel refers to, found by its identity.
//
// Records lie in shared memory that never moves, so that several workers can share them: reference counts are changed
// atomically; everything else is written under the table's lock once there is more than one worker.
//
// Views have a length of their own: on a growable buffer, a view without one asks the runtime for its length at each access.
import type { Name, NodeTable } from '@hawser/fuse'
import { ByteArena } from './byte-arena.js'
import { HandleIndex } from './handle-index.js'
import { Identity } from './identity.js'

/** Words of a record. A record's index is its nodeid; 0 is none, 1 the root. */
const Field = {
  LOOKUPS: 0,
  /** Nodes whose parent this is: they keep it, since their names lead through it. */
  CHILDREN: 1,
  GENERATION: 2,
  /** S_IFMT >> 12 in bits 0–3, device index in bits 8–23, Flag bits above. */
  KIND: 3,
  INO_LOW: 4,
  INO_HIGH: 5,
  BIRTH_SECONDS: 6,
  BIRTH_NANOSECONDS: 7,
  PARENT: 8,
  /** Position in the arena: the name, NUL, then the file handle. */
  TEXT: 9,
  /** Name's bytes in bits 0–8, handle's bytes in bits 16–23. */
  LENGTHS: 10,
  HANDLE_TYPE: 11,
  NEXT_IN_BUCKET: 12,
  /** Descriptors open on this node, and the latest of them plus one. */
  OPEN_COUNT: 13,
  OPEN_FD: 14,
  /** What the descriptor cache keeps for it, plus one. */
  DESCRIPTOR: 15,
} as const
const STRIDE = 16

export const Flag = {
  /** In use. */
  LIVE: 1 << 24,
  /** Its last known name is gone: only a descriptor or its handle leads to it. */
  UNNAMED: 1 << 25,
  /** In the table of identities. */
  HASHED: 1 << 26,
} as const

const INITIAL = 1024
export const NODES_MAX = 1 << 25
/** Remembered names; a lost one costs a system call. */
const MEMO = 8192

export class PassthroughNodes implements NodeTable<number> {
  readonly arena = new ByteArena()
  readonly #buffer: SharedArrayBuffer
  #words: Uint32Array
  #counts: Int32Array
  #buckets = new Uint32Array(INITIAL * 2)
  #end = 1
  #free = 0
  #size = 0
  readonly #memo = new Uint32Array(MEMO)
  /**
   * Whether birth times alone tell files apart: on overlayfs a file that is copied up gets another one. There the name by
   * which a file was known decides whether it is still that file.
   */
  births = true
  /** Called before a node's record is freed. */
  onFree: (node: number) => void = () => {}
  /** Nodes by file handle, where that was asked for. */
  #byHandle: HandleIndex | undefined

  constructor() {
    this.#buffer = new SharedArrayBuffer(INITIAL * STRIDE * 4, { maxByteLength: NODES_MAX * STRIDE * 4 })
    this.#words = new Uint32Array(this.#buffer, 0, this.#buffer.byteLength >> 2)
    this.#counts = new Int32Array(this.#buffer, 0, this.#buffer.byteLength >> 2)
  }

  get size(): number {
    return this.#size
  }
  /** All nodes' numbers are less. */
  get end(): number {
    return this.#end
  }

  /** From now on nodes are found by their file handles too. To be called before there are any. */
  indexHandles(): HandleIndex {
    this.#byHandle ??= new HandleIndex(this)
    return this.#byHandle
  }

  get(nodeId: number): number | undefined {
    return nodeId < this.#end && (this.#words[nodeId * STRIDE + Field.KIND] & Flag.LIVE) !== 0
      ? nodeId
      : undefined
  }

  remember(node: number): number {
    Atomics.add(this.#counts, node * STRIDE + Field.LOOKUPS, 1)
    return node
  }

  generation(nodeId: number): number {
    return this.#words[nodeId * STRIDE + Field.GENERATION]
  }

  forget(nodeId: number, count: number): void {
    if (this.get(nodeId) === undefined || nodeId === 1) return
    Atomics.sub(this.#counts, nodeId * STRIDE + Field.LOOKUPS, count)
    this.#collect(nodeId)
  }

  /** Frees a node that nobody needs any more, and then perhaps its parent. */
  #collect(node: number): void {
    while (node > 1) {
      const at = node * STRIDE
      const words = this.#words
      if (
        this.#counts[at + Field.LOOKUPS] > 0 ||
        words[at + Field.CHILDREN] > 0 ||
        words[at + Field.OPEN_COUNT] > 0
      )
        return
      this.onFree(node)
      this.#unhash(node)
      if (this.hasHandle(node)) this.#byHandle?.remove(node)
      const parent = words[at + Field.PARENT]
      this.#releaseText(at)
      words[at + Field.KIND] = 0
      words[at + Field.PARENT] = 0
      words[at + Field.NEXT_IN_BUCKET] = this.#free
      this.#free = node
      this.#size--
      if (parent === 0) return
      words[parent * STRIDE + Field.CHILDREN]--
      node = parent
    }
  }

  /**
   * The node of an identity, or a new one.
   * @param identity words as the addon fills them, from `at`
   * @param device index of the file's device
   */
  intern(identity: Uint32Array, at: number, device: number, parent: number, name: Name | undefined): number {
    const found = this.find(identity, at, device, parent, name)
    if (found !== 0) {
      if (!this.births) {
        this.#words[found * STRIDE + Field.BIRTH_SECONDS] = identity[at + Identity.BIRTH_SECONDS]
        this.#words[found * STRIDE + Field.BIRTH_NANOSECONDS] = identity[at + Identity.BIRTH_NANOSECONDS]
      }
      if (parent !== 0 && name && !this.isNamed(found, parent, name)) this.setName(found, parent, name)
      // The name went away between the two system calls that look at a file.
      if (this.#byHandle && !this.hasHandle(found) && identity[at + Identity.HANDLE_BYTES] > 0)
        this.setHandle(found, identity, at)
      return found
    }
    const node = this.#allocate()
    const words = this.#words
    const to = node * STRIDE
    words[to + Field.LOOKUPS] = 0
    words[to + Field.CHILDREN] = 0
    words[to + Field.GENERATION]++
    words[to + Field.KIND] = Flag.LIVE | ((identity[at + Identity.MODE] >> 12) & 15) | (device << 8)
    words[to + Field.INO_LOW] = identity[at + Identity.INO_LOW]
    words[to + Field.INO_HIGH] = identity[at + Identity.INO_HIGH]
    words[to + Field.BIRTH_SECONDS] = identity[at + Identity.BIRTH_SECONDS]
    words[to + Field.BIRTH_NANOSECONDS] = identity[at + Identity.BIRTH_NANOSECONDS]
    words[to + Field.PARENT] = 0
    words[to + Field.TEXT] = 0
    words[to + Field.LENGTHS] = 0
    words[to + Field.OPEN_COUNT] = 0
    words[to + Field.OPEN_FD] = 0
    words[to + Field.DESCRIPTOR] = 0
    words[to + Field.HANDLE_TYPE] = identity[at + Identity.HANDLE_TYPE]
    this.#setText(to, name, identity, at)
    if (this.#byHandle && this.hasHandle(node)) this.#byHandle.add(node)
    if (name) this.#adopt(node, parent, name)
    else words[to + Field.KIND] |= Flag.UNNAMED
    this.#hash(node)
    this.#size++
    return node
  }

  /** The node of an identity that was found under a name, where there is one; 0: not here. */
  find(identity: Uint32Array, at: number, device: number, parent = 0, name?: Name): number {
    const low = identity[at + Identity.INO_LOW]
    const high = identity[at + Identity.INO_HIGH]
    const words = this.#words
    let node = this.#buckets[this.#bucket(low, high, device)]
    while (node !== 0) {
      const here = node * STRIDE
      if (
        words[here + Field.INO_LOW] === low &&
        words[here + Field.INO_HIGH] === high &&
        this.device(node) === device
      ) {
        const named = !this.births && name !== undefined && this.isNamed(node, parent, name)
        if (this.#sameUse(here, identity, at, named)) return node
        // The inode number was used again: what the kernel knows by this node is gone.
        if (this.births || name) this.#unhash(node)
        return 0
      }
      node = words[here + Field.NEXT_IN_BUCKET]
    }
    return 0
  }

  /** Whether an identity is that of a node. */
  is(node: number, identity: Uint32Array, at: number, device: number): boolean {
    const words = this.#words
    const here = node * STRIDE
    return (
      words[here + Field.INO_LOW] === identity[at + Identity.INO_LOW] &&
      words[here + Field.INO_HIGH] === identity[at + Identity.INO_HIGH] &&
      this.device(node) === device &&
      // It was looked at by the name that the node is known by.
      this.#sameUse(here, identity, at, !this.births)
    )
  }

  /** Whether an identity of the same inode number is that of the same file, not of a later one. */
  #sameUse(here: number, identity: Uint32Array, at: number, bornAgain: boolean): boolean {
    const words = this.#words
    return (
      ((words[here + Field.KIND] ^ (identity[at + Identity.MODE] >> 12)) & 15) === 0 &&
      (bornAgain ||
        (words[here + Field.BIRTH_SECONDS] === identity[at + Identity.BIRTH_SECONDS] &&
          words[here + Field.BIRTH_NANOSECONDS] === identity[at + Identity.BIRTH_NANOSECONDS])) &&
      this.#sameHandle(here, identity, at)
    )
  }

  // A handle holds the inode's generation, which tells two uses of an inode number apart even within a clock tick.
  #sameHandle(here: number, identity: Uint32Array, at: number): boolean {
    const length = (this.#words[here + Field.LENGTHS] >> 16) & 0xff
    if (length === 0 || identity[at + Identity.HANDLE_BYTES] === 0) return true
    if (length !== identity[at + Identity.HANDLE_BYTES]) return false
    const bytes = this.arena.bytes
    const start = this.#handleByte(here)
    for (let i = 0; i < length; i++) {
      const word = identity[at + Identity.HANDLE + (i >> 2)]
      if (bytes[start + i] !== ((word >> ((i & 3) * 8)) & 0xff)) return false
    }
    return true
  }

  device(node: number): number {
    return (this.#words[node * STRIDE + Field.KIND] >> 8) & 0xffff
  }
  /** S_IF* bits. */
  type(node: number): number {
    return (this.#words[node * STRIDE + Field.KIND] & 15) << 12
  }
  parent(node: number): number {
    return this.#words[node * STRIDE + Field.PARENT]
  }
  isUnnamed(node: number): boolean {
    return (this.#words[node * STRIDE + Field.KIND] & Flag.UNNAMED) !== 0
  }
  /** Whether the kernel refers to it. */
  isReferenced(node: number): boolean {
    return this.#counts[node * STRIDE + Field.LOOKUPS] > 0
  }

  /** Address of the node's NUL-terminated name in `parent(node)`. */
  nameAddress(node: number): number {
    return this.arena.address + ByteArena.byteOf(this.#words[node * STRIDE + Field.TEXT])
  }

  /** A copy of that name. */
  name(node: number): Uint8Array {
    const from = ByteArena.byteOf(this.#words[node * STRIDE + Field.TEXT])
    return this.arena.bytes.slice(from, from + (this.#words[node * STRIDE + Field.LENGTHS] & 0x1ff))
  }

  /** Copies the node's file handle as struct file_handle; false where it has none. */
  copyHandle(node: number, to: Uint32Array, toBytes: Uint8Array): boolean {
    const here = node * STRIDE
    const length = (this.#words[here + Field.LENGTHS] >> 16) & 0xff
    if (length === 0) return false
    to[0] = length
    to[1] = this.#words[here + Field.HANDLE_TYPE]
    const start = this.#handleByte(here)
    const bytes = this.arena.bytes
    for (let i = 0; i < length; i++) toBytes[8 + i] = bytes[start + i]
    return true
  }
  hasHandle(node: number): boolean {
    return this.#words[node * STRIDE + Field.LENGTHS] >> 16 !== 0
  }

  /** Index in the arena's bytes. */
  handleStart(node: number): number {
    return this.#handleByte(node * STRIDE)
  }
  handleLength(node: number): number {
    return (this.#words[node * STRIDE + Field.LENGTHS] >> 16) & 0xff
  }
  handleType(node: number): number {
    return this.#words[node * STRIDE + Field.HANDLE_TYPE]
  }

  #handleByte(here: number): number {
    return ByteArena.byteOf(this.#words[here + Field.TEXT]) + (this.#words[here + Field.LENGTHS] & 0x1ff) + 1
  }

  /** Keeps the handle of an identity with a node that has none. */
  setHandle(node: number, identity: Uint32Array, at: number): void {
    this.#words[node * STRIDE + Field.HANDLE_TYPE] = identity[at + Identity.HANDLE_TYPE]
    this.#replaceHandle(node * STRIDE, identity.subarray(at))
    this.#byHandle?.add(node)
  }

  /** The node was found under this name. */
  setName(node: number, parent: number, name: Name): void {
    const at = node * STRIDE
    const words = this.#words
    const handle = this.#takeHandle(at)
    this.#releaseText(at)
    this.#setText(at, name, handle, 0)
    const old = words[at + Field.PARENT]
    words[at + Field.PARENT] = 0
    words[at + Field.KIND] &= ~Flag.UNNAMED
    this.#adopt(node, parent, name)
    if (old !== 0) {
      words[old * STRIDE + Field.CHILDREN]--
      this.#collect(old)
    }
  }

  /** The node's known name is gone. */
  unname(node: number): void {
    this.#words[node * STRIDE + Field.KIND] |= Flag.UNNAMED
  }

  /** The node that was last seen under a name; 0: not remembered. */
  recall(parent: number, name: Name): number {
    const node = this.#memo[this.#memoSlot(parent, name)]
    return node !== 0 && this.isNamed(node, parent, name) ? node : 0
  }

  openCount(node: number): number {
    return this.#words[node * STRIDE + Field.OPEN_COUNT]
  }
  /** A descriptor that is open on the node, or -1. */
  openFd(node: number): number {
    return this.#words[node * STRIDE + Field.OPEN_FD] - 1
  }
  opened(node: number, fd: number): void {
    const at = node * STRIDE
    this.#words[at + Field.OPEN_COUNT]++
    this.#words[at + Field.OPEN_FD] = fd + 1
  }
  /** @param other another descriptor that is still open on the node, or -1 */
  closed(node: number, other: number): void {
    const at = node * STRIDE
    this.#words[at + Field.OPEN_COUNT]--
    this.#words[at + Field.OPEN_FD] = other + 1
    this.#collect(node)
  }

  /** What the descriptor cache keeps for the node; -1: nothing. */
  descriptor(node: number): number {
    return this.#words[node * STRIDE + Field.DESCRIPTOR] - 1
  }
  setDescriptor(node: number, value: number): void {
    this.#words[node * STRIDE + Field.DESCRIPTOR] = value + 1
  }

  /** Whether this is the node's known name. */
  isNamed(node: number, parent: number, name: Name): boolean {
    const at = node * STRIDE
    const words = this.#words
    if (
      words[at + Field.PARENT] !== parent ||
      (words[at + Field.KIND] & (Flag.UNNAMED | Flag.LIVE)) !== Flag.LIVE
    )
      return false
    const length = words[at + Field.LENGTHS] & 0x1ff
    if (length !== name.length) return false
    const bytes = this.arena.bytes
    const start = ByteArena.byteOf(words[at + Field.TEXT])
    const { memory } = name
    for (let i = 0; i < length; i++) if (bytes[start + i] !== memory[name.start + i]) return false
    return true
  }

  #memoSlot(parent: number, name: Name): number {
    let hash = parent * 0x9e3779b1
    const { memory, end } = name
    for (let i = name.start; i < end; i++) hash = Math.imul(hash ^ memory[i], 0x01000193)
    return ((hash ^ (hash >>> 15)) >>> 0) & (MEMO - 1)
  }

  #adopt(node: number, parent: number, name: Name): void {
    this.#words[node * STRIDE + Field.PARENT] = parent
    this.#words[parent * STRIDE + Field.CHILDREN]++
    this.#memo[this.#memoSlot(parent, name)] = node
  }

  /** Stores a name and the handle of an identity. */
  #setText(at: number, name: Name | undefined, identity: Uint32Array, from: number): void {
    const handle = identity[from + Identity.HANDLE_BYTES]
    const length = name ? name.length : 0
    const position = this.arena.allocate(length + 1 + handle)
    const bytes = this.arena.bytes
    let to = ByteArena.byteOf(position)
    if (name) for (let i = name.start, { memory, end } = name; i < end; i++) bytes[to++] = memory[i]
    bytes[to++] = 0
    for (let i = 0; i < handle; i++)
      bytes[to++] = identity[from + Identity.HANDLE + (i >> 2)] >> ((i & 3) * 8)
    this.#words[at + Field.TEXT] = position
    this.#words[at + Field.LENGTHS] = length | (handle << 16)
  }

  #releaseText(at: number): void {
    const lengths = this.#words[at + Field.LENGTHS]
    if (this.#words[at + Field.TEXT] !== 0)
      this.arena.release(this.#words[at + Field.TEXT], (lengths & 0x1ff) + 1 + ((lengths >> 16) & 0xff))
    this.#words[at + Field.TEXT] = 0
    this.#words[at + Field.LENGTHS] = 0
  }

  readonly #scratch = new Uint32Array(64)
  /** The record's handle, laid out as an identity. */
  #takeHandle(at: number): Uint32Array {
    const scratch = this.#scratch
    const length = (this.#words[at + Field.LENGTHS] >> 16) & 0xff
    scratch.fill(0)
    scratch[Identity.HANDLE_BYTES] = length
    const start = this.#handleByte(at)
    const bytes = this.arena.bytes
    for (let i = 0; i < length; i++) scratch[Identity.HANDLE + (i >> 2)] |= bytes[start + i] << ((i & 3) * 8)
    return scratch
  }
  #replaceHandle(at: number, handle: Uint32Array): void {
    const length = this.#words[at + Field.LENGTHS] & 0x1ff
    const from = ByteArena.byteOf(this.#words[at + Field.TEXT])
    const kept = this.arena.bytes.slice(from, from + length)
    this.#releaseText(at)
    const position = this.arena.allocate(length + 1 + handle[Identity.HANDLE_BYTES])
    const bytes = this.arena.bytes
    let to = ByteArena.byteOf(position)
    bytes.set(kept, to)
    to += length
    bytes[to++] = 0
    for (let i = 0; i < handle[Identity.HANDLE_BYTES]; i++)
      bytes[to++] = handle[Identity.HANDLE + (i >> 2)] >> ((i & 3) * 8)
    this.#words[at + Field.TEXT] = position
    this.#words[at + Field.LENGTHS] = length | (handle[Identity.HANDLE_BYTES] << 16)
  }

  #bucket(low: number, high: number, device: number): number {
    let hash = Math.imul(low, 0x9e3779b1) ^ Math.imul(high, 0x85ebca6b) ^ Math.imul(device + 1, 0xc2b2ae35)
    hash ^= hash >>> 15
    return (hash >>> 0) & (this.#buckets.length - 1)
  }

  #hash(node: number): void {
    const words = this.#words
    const at = node * STRIDE
    const bucket = this.#bucket(words[at + Field.INO_LOW], words[at + Field.INO_HIGH], this.device(node))
    words[at + Field.NEXT_IN_BUCKET] = this.#buckets[bucket]
    words[at + Field.KIND] |= Flag.HASHED
    this.#buckets[bucket] = node
  }

  #unhash(node: number): void {
    const words = this.#words
    const at = node * STRIDE
    if ((words[at + Field.KIND] & Flag.HASHED) === 0) return
    const bucket = this.#bucket(words[at + Field.INO_LOW], words[at + Field.INO_HIGH], this.device(node))
    let link = 0
    for (
      let other = this.#buckets[bucket];
      other !== node;
      other = words[other * STRIDE + Field.NEXT_IN_BUCKET]
    )
      link = other
    if (link === 0) this.#buckets[bucket] = words[at + Field.NEXT_IN_BUCKET]
    else words[link * STRIDE + Field.NEXT_IN_BUCKET] = words[at + Field.NEXT_IN_BUCKET]
    words[at + Field.KIND] &= ~Flag.HASHED
  }

  #allocate(): number {
    if (this.#free !== 0) {
      const node = this.#free
      this.#free = this.#words[node * STRIDE + Field.NEXT_IN_BUCKET]
      return node
    }
    const node = this.#end
    if ((node + 1) * STRIDE > this.#words.length) this.#grow()
    this.#end++
    return node
  }

  #grow(): void {
    const records = Math.min(NODES_MAX, Math.ceil((this.#words.length / STRIDE) * 1.5))
    if (records <= this.#end) throw new RangeError(`more than ${NODES_MAX} files in use`)
    this.#buffer.grow(records * STRIDE * 4)
    this.#words = new Uint32Array(this.#buffer, 0, this.#buffer.byteLength >> 2)
    this.#counts = new Int32Array(this.#buffer, 0, this.#buffer.byteLength >> 2)
    if (records <= this.#buckets.length) return
    const nodes = this.#end
    this.#buckets = new Uint32Array(this.#buckets.length * 2)
    for (let node = 1; node < nodes; node++)
      if ((this.#words[node * STRIDE + Field.KIND] & (Flag.LIVE | Flag.HASHED)) === (Flag.LIVE | Flag.HASHED))
        this.#hash(node)
  }
}
