/** Chooses operations at random, from a seed: the same seed and the same tree give the same sequence. */
import { constants as c } from '../native.js'
import * as posix from '../posix.js'
import type { OpenFlag, Operation, OperationName } from './operations.js'

export type Random = () => number
/** What a sequence is made without: operations, and flags, that the target is known not to have. */
export type Omission = OperationName | 'TMPFILE' | 'NOREPLACE' | 'EXCHANGE'

/** A small generator of numbers in [0, 1), the same on every machine. */
export function random(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

// How often each operation is chosen, against the others.
const weights: [OperationName, number][] = [
  ['open', 14],
  ['close', 4],
  ['read', 6],
  ['write', 10],
  ['readNext', 2],
  ['writeNext', 3],
  ['seek', 2],
  ['seekData', 2],
  ['ftruncate', 4],
  ['truncate', 3],
  ['fallocate', 4],
  ['copyRange', 4],
  ['mapRead', 3],
  ['mapWrite', 4],
  ['fsync', 2],
  ['fstat', 4],
  ['fchmod', 1],
  ['linkSlot', 2],
  ['stat', 5],
  ['list', 4],
  ['mkdir', 5],
  ['mkfifo', 1],
  ['rmdir', 3],
  ['unlink', 5],
  ['rename', 8],
  ['link', 4],
  ['symlink', 3],
  ['readlink', 1],
  ['chmod', 3],
  ['utimens', 3],
  ['setxattr', 3],
  ['getxattr', 2],
  ['listxattr', 1],
  ['removexattr', 2],
  ['contents', 5],
]
const total = weights.reduce((sum, [, weight]) => sum + weight, 0)

const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
const modes = [0o644, 0o600, 0o755, 0o444, 0o4755, 0o2755, 0o1777, 0]
const openings: OpenFlag[][] = [
  ['RDONLY'],
  ['RDWR'],
  ['WRONLY'],
  ['RDWR', 'CREAT'],
  ['RDWR', 'CREAT'],
  ['RDWR', 'CREAT', 'EXCL'],
  ['RDWR', 'CREAT', 'TRUNC'],
  ['RDWR', 'TRUNC'],
  ['RDWR', 'APPEND', 'CREAT'],
  ['WRONLY', 'APPEND'],
  ['RDONLY', 'NOFOLLOW'],
  ['RDONLY', 'DIRECTORY'],
  ['PATH'],
]
const slots = 6

interface Known {
  all: string[]
  files: string[]
  directories: string[]
}

export class Generator {
  #next: Random
  #root: string
  #without: Set<Omission>

  /** `root` is the plain tree: where it looks for names that exist. */
  constructor(seed: number, root: string, without: Omission[]) {
    this.#next = random(seed)
    this.#root = root
    this.#without = new Set(without)
  }

  /** `open`: the slots that hold an open file, so that most operations find one. */
  operation(open: number[]): Operation {
    let op = this.#choose()
    while (this.#without.has(op)) op = this.#choose()
    const anySlot = () => (open.length > 0 && this.#below(10) < 9 ? this.#pick(open) : this.#below(slots))
    const slot = op === 'open' ? this.#below(slots) : anySlot()
    const known = this.#walk()
    const path = () => this.#path(known, 9)
    const file = () => (known.files.length > 0 && this.#below(10) < 7 ? this.#pick(known.files) : path())
    const freePath = () => this.#path(known, 2)
    switch (op) {
      case 'open': {
        if (!this.#without.has('TMPFILE') && this.#below(12) === 0) {
          return {
            op,
            slot,
            path: this.#directory(known),
            flags: ['RDWR', 'TMPFILE'],
            mode: this.#pick(modes),
          }
        }
        const flags = this.#pick(openings)
        const name = flags.includes('CREAT') ? this.#path(known, 5) : file()
        return { op, slot, path: name, flags, mode: this.#pick(modes) }
      }
      case 'close':
      case 'fstat':
        return { op, slot }
      case 'read':
      case 'mapRead':
        return { op, slot, offset: this.#offset(), length: this.#length() }
      case 'write':
      case 'mapWrite':
        return { op, slot, offset: this.#offset(), length: this.#length(), seed: this.#seed() }
      case 'readNext':
        return { op, slot, length: this.#length() }
      case 'writeNext':
        return { op, slot, length: this.#length(), seed: this.#seed() }
      case 'seek':
        return { op, slot, offset: this.#offset() - 1000, whence: this.#pick(['SET', 'CUR', 'END']) }
      case 'seekData':
        return { op, slot, offset: this.#offset(), whence: this.#pick(['DATA', 'HOLE']) }
      case 'ftruncate':
        return { op, slot, size: this.#offset() }
      case 'truncate':
        return { op, path: file(), size: this.#offset() }
      case 'fallocate': {
        const mode = this.#pick(['extend', 'keep', 'punch', 'zero'] as const)
        return { op, slot, mode, offset: this.#offset(), length: this.#length() }
      }
      case 'copyRange':
        return {
          op,
          from: slot,
          to: anySlot(),
          fromOffset: this.#offset(),
          toOffset: this.#offset(),
          length: this.#length(),
        }
      case 'fsync':
        return { op, slot, dataOnly: this.#below(2) === 0 }
      case 'fchmod':
        return { op, slot, mode: this.#pick(modes) }
      case 'linkSlot':
        return { op, slot, path: freePath() }
      case 'stat':
        return { op, path: path(), follow: this.#below(2) === 0 }
      case 'list':
        return { op, path: this.#directory(known) }
      case 'mkdir':
      case 'mkfifo':
        return { op, path: freePath(), mode: this.#pick(modes) }
      case 'chmod':
        return { op, path: path(), mode: this.#pick(modes) }
      case 'unlink':
      case 'contents':
        return { op, path: file() }
      case 'rmdir':
      case 'readlink':
      case 'listxattr':
        return { op, path: path() }
      case 'rename': {
        const flag = this.#pick(['NONE', 'NONE', 'NOREPLACE', 'EXCHANGE'] as const)
        return {
          op,
          from: path(),
          to: this.#path(known, 5),
          flag: flag !== 'NONE' && this.#without.has(flag) ? 'NONE' : flag,
        }
      }
      case 'link':
        return { op, from: file(), to: freePath() }
      case 'symlink':
        return { op, target: this.#pick([...names, 'a/b', 'd/e', 'missing']), path: freePath() }
      case 'utimens':
        return { op, path: path(), atime: this.#time(), mtime: this.#time() }
      case 'setxattr': {
        const flag = this.#pick(['NONE', 'NONE', 'CREATE', 'REPLACE'] as const)
        return {
          op,
          path: path(),
          name: this.#attribute(),
          length: this.#below(200),
          seed: this.#seed(),
          flag,
        }
      }
      case 'getxattr':
      case 'removexattr':
        return { op, path: path(), name: this.#attribute() }
    }
  }

  #below(limit: number): number {
    return Math.floor(this.#next() * limit)
  }

  #pick<T>(choices: readonly T[]): T {
    return choices[this.#below(choices.length)]
  }

  #choose(): OperationName {
    let left = this.#next() * total
    for (const [name, weight] of weights) {
      left -= weight
      if (left < 0) return name
    }
    return 'list'
  }

  // In so many of ten cases a name that exists; else any.
  #path(known: Known, existing: number): string {
    if (known.all.length > 0 && this.#below(10) < existing) return this.#pick(known.all)
    const parent = this.#directory(known)
    const name = this.#pick(names)
    return parent === '' ? name : `${parent}/${name}`
  }

  #directory(known: Known): string {
    return this.#below(10) < 4 ? '' : this.#pick(known.directories)
  }

  #walk(): Known {
    const all: string[] = []
    const files: string[] = []
    const directories = ['']
    const visit = (relative: string, depth: number): void => {
      const children = posix.list(relative === '' ? this.#root : `${this.#root}/${relative}`)
      if (typeof children === 'number') return
      for (const name of children) {
        const path = relative === '' ? name : `${relative}/${name}`
        all.push(path)
        const status = posix.lstat(`${this.#root}/${path}`)
        if (typeof status === 'number') continue
        const kind = status.mode & c.S_IFMT
        if (kind === c.S_IFREG) files.push(path)
        if (kind !== c.S_IFDIR || depth > 3) continue
        directories.push(path)
        visit(path, depth + 1)
      }
    }
    visit('', 0)
    return { all, files, directories }
  }

  #offset(): number {
    switch (this.#below(6)) {
      case 0:
        return 0
      case 1:
        return this.#below(4) * 4096
      case 2:
        return 4096 * this.#below(20) + this.#below(3) - 1 + 4096
      case 3:
        return this.#below(500_000)
      default:
        return this.#below(20_000)
    }
  }

  #length(): number {
    switch (this.#below(5)) {
      case 0:
        return 1 + this.#below(10)
      case 1:
        return 4096
      case 2:
        return 1 + this.#below(70_000)
      default:
        return 1 + this.#below(9000)
    }
  }

  #seed(): number {
    return 1 + this.#below(1_000_000)
  }

  #time(): number | 'omit' {
    return this.#below(4) === 0 ? 'omit' : this.#below(1_000_000_000) * 1_000_000 + this.#below(1_000_000)
  }

  #attribute(): string {
    return `user.${this.#pick(['one', 'two', 'three'])}`
  }
}
