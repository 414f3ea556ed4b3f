import { ObjectNodes } from './tables.js'

let nextIno = 1

/** A file that the kernel knows by a path. Its place in this tree is its path, so renaming a directory moves all below it. */
export class PathNode<H> {
  /** For files whose getattr names none. */
  readonly ino = nextIno++
  parent: PathNode<H> | undefined
  name: string
  /** Known children. */
  readonly children = new Map<string, PathNode<H>>()
  /** What is open of it. */
  readonly handles = new Set<OpenPath<H>>()
  /** What getattr said when the file was looked up. */
  type = 0
  givenIno: number | undefined
  /** Its name was removed, or taken by another file. */
  removed = false
  #known = false

  constructor(parent: PathNode<H> | undefined, name: string) {
    this.parent = parent
    this.name = name
  }

  get path(): string {
    let path = ''
    for (let node: PathNode<H> = this; node.parent; node = node.parent) path = `/${node.name}${path}`
    return path || '/'
  }
  /** Whether the path stands for this very file. */
  get reachable(): boolean {
    for (let node: PathNode<H> | undefined = this; node; node = node.parent) if (node.removed) return false
    return true
  }
  childPath(name: string): string {
    const { path } = this
    return path === '/' ? `/${name}` : `${path}/${name}`
  }

  /** The kernel refers to this node. */
  remembered(): void {
    this.#known = true
  }
  /** It no longer does. */
  forget(): void {
    this.#known = false
    this.#prune()
  }
  /** Nodes stay as long as the kernel knows them or one below them, whose path they are part of. */
  #prune(): void {
    const { parent } = this
    if (this.#known || this.children.size > 0 || !parent) return
    if (parent.children.get(this.name) === this) parent.children.delete(this.name)
    parent.#prune()
  }

  /** The child of a name is another file from now on, or none. */
  detach(name: string): void {
    const child = this.children.get(name)
    if (!child) return
    child.removed = true
    this.children.delete(name)
  }

  /** Follows a rename(2) that succeeded. */
  move(name: string, to: PathNode<H>, newName: string, exchange: boolean): void {
    const moved = this.children.get(name)
    const other = to.children.get(newName)
    if (moved !== undefined && moved === other) return
    this.children.delete(name)
    to.children.delete(newName)
    if (moved) moved.#place(to, newName)
    if (!other) return
    if (exchange) other.#place(this, name)
    else other.removed = true
  }
  #place(parent: PathNode<H>, name: string): void {
    const before = this.parent
    this.parent = parent
    this.name = name
    parent.children.set(name, this)
    if (before) before.#prune()
  }
}

/** The nodes that the kernel knows. */
export class PathNodes<H> extends ObjectNodes<PathNode<H>> {
  constructor(root: PathNode<H>) {
    super(root, (node) => node.forget())
  }
  override remember(node: PathNode<H>): number {
    node.remembered()
    return super.remember(node)
  }
}

/** One open file or directory. */
export class OpenPath<H> {
  readonly node: PathNode<H>
  readonly handle: H | undefined
  constructor(node: PathNode<H>, handle: H | undefined) {
    this.node = node
    this.handle = handle
    node.handles.add(this)
  }
}
