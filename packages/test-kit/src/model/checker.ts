/** Runs sequences on the target and on a plain directory, compares all answers, and shrinks a sequence that differs. */
import { isDeepStrictEqual } from 'node:util'
import { constants as c } from '../native.js'
import * as posix from '../posix.js'
import { removeTree } from '../tree.js'
import { Executor } from './executor.js'
import { Generator, type Omission } from './generator.js'
import type { Operation, OperationName } from './operations.js'
import { snapshot } from './tree-snapshot.js'

export interface Difference {
  /** Which operation of the sequence answered differently; undefined when the trees differ after it. */
  index: number
  what: string
  target: unknown
  reference: unknown
}

/** For tests of the checker: a way to make the target wrong. */
export interface Fault {
  /** Operations of this name are not done on the target, which answers what the reference answered. */
  drop: OperationName
}

/** How many operations between two comparisons of the whole trees. */
const stride = 25
let runs = 0

export class Checker {
  #target: string
  #reference: string
  #fault: Fault | undefined

  constructor(target: string, reference: string, fault?: Fault) {
    this.#target = target
    this.#reference = reference
    this.#fault = fault
  }

  /** A sequence of up to `steps` operations; it ends at the first difference. */
  random(
    seed: number,
    steps: number,
    without: Omission[] = [],
  ): { operations: Operation[]; difference?: Difference } {
    return this.#inFreshTrees((target, reference) => {
      const generator = new Generator(
        seed,
        reference,
        this.#temporaryFiles(reference) ? without : [...without, 'TMPFILE'],
      )
      const operations: Operation[] = []
      const difference = this.#run(target, reference, (openSlots) => {
        if (operations.length === steps) return undefined
        operations.push(generator.operation(openSlots))
        return operations.at(-1)
      })
      return { operations, difference }
    })
  }

  replay(operations: Operation[]): Difference | undefined {
    return this.#inFreshTrees((target, reference) => {
      let index = 0
      return this.#run(target, reference, () => operations[index++])
    })
  }

  /** Delta debugging: the operations without which no difference shows. */
  shrink(operations: Operation[]): { operations: Operation[]; difference: Difference } {
    let current = operations
    let difference = this.replay(current)
    if (!difference) throw new Error('the sequence does not differ when it is run again')
    for (let size = Math.ceil(current.length / 2); size >= 1; ) {
      let removed = false
      // From the end: what comes late depends on what comes early.
      for (let end = current.length; end > 0; end -= size) {
        const without = [...current.slice(0, Math.max(0, end - size)), ...current.slice(end)]
        const found = without.length > 0 ? this.replay(without) : undefined
        if (found) {
          current = without
          difference = found
          removed = true
        }
      }
      if (size === 1 && !removed) break
      if (!removed || size > current.length) size = Math.max(1, Math.floor(size / 2))
    }
    return { operations: current, difference }
  }

  #run(
    target: string,
    reference: string,
    next: (openSlots: number[]) => Operation | undefined,
  ): Difference | undefined {
    const [one, two] = [new Executor(target), new Executor(reference)]
    try {
      let index = 0
      for (let operation = next([]); operation; operation = next(two.openSlots)) {
        const expected = two.apply(operation)
        const actual = this.#fault?.drop === operation.op ? expected : one.apply(operation)
        if (!isDeepStrictEqual(actual, expected)) {
          return { index, what: operation.op, target: actual, reference: expected }
        }
        if (++index % stride === 0) {
          const found = compareTrees(target, reference, index)
          if (found) return found
        }
      }
      return compareTrees(target, reference, index)
    } finally {
      one.close()
      two.close()
    }
  }

  #inFreshTrees<T>(run: (target: string, reference: string) => T): T {
    const name = `run-${runs++}`
    const [target, reference] = [`${this.#target}/${name}`, `${this.#reference}/${name}`]
    for (const path of [target, reference]) {
      const made = posix.mkdir(path, 0o755)
      if (made < 0) throw new Error(`cannot make ${path}: errno ${-made}`)
    }
    try {
      return run(target, reference)
    } finally {
      removeTree(target)
      removeTree(reference)
    }
  }

  #temporaryFiles(directory: string): boolean {
    const fd = posix.open(directory, c.O_TMPFILE | c.O_RDWR, 0o600)
    return fd >= 0 && posix.close(fd) === 0
  }
}

function compareTrees(target: string, reference: string, index: number): Difference | undefined {
  const [actual, expected] = [snapshot(target), snapshot(reference)]
  for (const path of new Set([...Object.keys(expected), ...Object.keys(actual)])) {
    if (!isDeepStrictEqual(actual[path], expected[path])) {
      return { index: index - 1, what: `tree at ${path}`, target: actual[path], reference: expected[path] }
    }
  }
  return undefined
}
