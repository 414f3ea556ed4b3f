/** The process in which model-checker.ts touches the target. */
import { realpathSync } from 'node:fs'
import { Checker, type Fault } from './model/checker.js'
import type { Omission } from './model/generator.js'
import type { Operation } from './model/operations.js'
import * as posix from './posix.js'
import { removeTree } from './tree.js'
import { answerParent } from './watched-child.js'

export type Request =
  | { start: { directory: string; reference: string; base: string; fault?: Fault } }
  | { random: { seed: number; steps: number; without?: Omission[] } }
  | { replay: Operation[] }
  | { shrink: Operation[] }
  | { finish: true }

let checker: Checker
let directories: string[] = []

function start(options: { directory: string; reference: string; base: string; fault?: Fault }): void {
  posix.umask(0o022)
  posix.chdir('/')
  directories = [options.directory, options.reference].map((path) => `${realpathSync(path)}/${options.base}`)
  // The same directory may be given twice: the trees are apart nevertheless.
  if (directories[0] === directories[1]) directories[1] += '-reference'
  for (const path of directories) {
    const made = posix.mkdir(path, 0o755)
    if (made < 0) throw new Error(`cannot make ${path}: errno ${-made}`)
  }
  checker = new Checker(directories[0], directories[1], options.fault)
}

posix.dieWithParent()
answerParent((message: Request): unknown => {
  if ('start' in message) return start(message.start)
  if ('random' in message) {
    const { seed, steps, without } = message.random
    return checker.random(seed, steps, without)
  }
  if ('replay' in message) return checker.replay(message.replay)
  if ('shrink' in message) return checker.shrink(message.shrink)
  for (const path of directories) removeTree(path)
  return undefined
})
