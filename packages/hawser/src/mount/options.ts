import {
  ignoredWords,
  type KernelFlag,
  kernelFlags,
  type MountOptionRow,
  mountOptionTable,
  type OptionKind,
} from './option-table.js'
import type { MountOptions } from './types.js'

export { type KernelFlag, kernelFlags, type MountOptionRow, mountOptionTable, type OptionKind }

/** An option that cannot be used as given; the message is one line for the user. */
export class OptionError extends Error {
  override readonly name = 'OptionError'
  readonly code = 'HAWSER_OPTION'
}

export type OptionValues = Partial<Record<keyof MountOptions, boolean | number | string>>

/** What one place (-o, the environment, a configuration file) says. */
export interface OptionLayer {
  values: OptionValues
  flags: KernelFlag[]
}

const rows = new Map(mountOptionTable.map((row) => [row.name, row]))
const truths = new Map<string, boolean>()
for (const word of ['true', 'yes', 'on', '1']) truths.set(word, true)
for (const word of ['false', 'no', 'off', '0']) truths.set(word, false)

/** 'true', 'yes', 'on', '1' and their opposites; undefined: none of them. */
export function parseBoolean(text: string): boolean | undefined {
  return truths.get(text.toLowerCase())
}

/** What a value of this kind looks like, for help and for errors. */
export function describeKind(kind: OptionKind): string {
  if (kind.type === 'boolean') return 'true|false'
  if (kind.type === 'choice') return kind.values.join('|')
  if (kind.type === 'octal') return 'OCTAL'
  if (kind.type === 'size') return 'BYTES'
  return kind.type === 'integer' ? 'N' : kind.placeholder
}

const units: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 }

/** The value of `text`, or undefined if it is not of this kind. */
export function parseValue(kind: OptionKind, text: string): boolean | number | string | undefined {
  switch (kind.type) {
    case 'boolean':
      return parseBoolean(text)
    case 'choice':
      return kind.values.includes(text) ? text : undefined
    case 'octal':
      return /^[0-7]{1,4}$/.test(text) ? within(Number.parseInt(text, 8), 0, kind.maximum) : undefined
    case 'integer':
      return /^\d{1,15}$/.test(text) ? within(Number(text), kind.minimum, kind.maximum) : undefined
    case 'size': {
      const match = /^(\d{1,15})([kmg]?)(?:i?b)?$/i.exec(text)
      return match === null
        ? undefined
        : within(Number(match[1]) * units[match[2].toLowerCase()], kind.minimum, kind.maximum)
    }
    case 'text':
      return text !== '' && (kind.pattern?.test(text) ?? true) ? text : undefined
  }
}

function within(value: number, minimum: number, maximum: number): number | undefined {
  return value >= minimum && value <= maximum ? value : undefined
}

/** What is allowed, in words. */
export function explainKind(kind: OptionKind): string {
  switch (kind.type) {
    case 'boolean':
      return 'true or false'
    case 'choice':
      return `one of ${kind.values.join(', ')}`
    case 'octal':
      return `an octal number up to ${kind.maximum.toString(8)}`
    case 'integer':
      return `a whole number from ${kind.minimum} to ${kind.maximum}`
    case 'size':
      return `bytes from ${kind.minimum} to ${kind.maximum}, K, M or G allowed`
    case 'text':
      return kind.rule ?? 'text that is not empty'
  }
}

function read(row: MountOptionRow, text: string, where: string): boolean | number | string {
  const value = parseValue(row.kind, text)
  if (value !== undefined) return value
  throw new OptionError(`${where}: ${row.name}=${text} is not valid; use ${explainKind(row.kind)}`)
}

export interface ParseOptions {
  /** mount(8)'s -s: options that are not known are ignored. */
  sloppy?: boolean
  /** Takes a word that is no option of a mount; false: nor is it known there. */
  other?: (name: string, text: string | undefined) => boolean
}

/** Reads the arguments of -o: each a comma separated list (`\,` is a comma in a value). The last word on an option counts. */
export function parseOptionWords(lists: readonly string[], options: ParseOptions = {}): OptionLayer {
  const layer: OptionLayer = { values: {}, flags: [] }
  for (const part of lists.flatMap((list) => list.split(/(?<!\\),/))) {
    if (part === '') continue
    const word = part.replaceAll('\\,', ',')
    const equals = word.indexOf('=')
    const name = equals === -1 ? word : word.slice(0, equals)
    const text = equals === -1 ? undefined : word.slice(equals + 1)
    if (readWord(layer, name, text) || options.other?.(name, text) || options.sloppy) continue
    throw unknownOption(name, '-o')
  }
  return layer
}

/** False: nothing is called so. */
function readWord({ values, flags }: OptionLayer, name: string, text: string | undefined): boolean {
  const row = rows.get(name)
  if (row !== undefined) {
    if (text === undefined && row.kind.type !== 'boolean') {
      throw new OptionError(`-o ${name} needs a value: ${name}=${describeKind(row.kind)}`)
    }
    values[row.property] = text === undefined ? true : read(row, text, '-o')
    return true
  }
  if (name === 'rw' && text === undefined) {
    values.ro = false
    return true
  }
  if (name === 'remount') throw new OptionError('-o remount: not possible; unmount and mount again')
  const flag = kernelFlags.find((each) => each === name)
  if (flag !== undefined) {
    if (!flags.includes(flag)) flags.push(flag)
    return true
  }
  if (ignoredWords.has(name) || /^[xX]-/.test(name)) return true
  const negated = name.startsWith('no') ? rows.get(name.slice(2)) : undefined
  if (negated?.kind.type !== 'boolean' || text !== undefined) return false
  values[negated.property] = false
  return true
}

/** Environment variables HAWSER_<NAME>; an empty one counts as not set. */
export function environmentOptions(environment: Readonly<Record<string, string | undefined>>): OptionLayer {
  const layer: OptionLayer = { values: {}, flags: [] }
  for (const row of mountOptionTable) {
    const variable = environmentName(row.name)
    const text = environment[variable]
    if (text) layer.values[row.property] = read(row, text, `environment variable ${variable}`)
  }
  return layer
}

export function environmentName(option: string): string {
  return `HAWSER_${option.replaceAll('-', '_').toUpperCase()}`
}

/** One entry of a configuration file, already parsed from JSON; false: no option of a mount has this name. */
export function readConfigured(layer: OptionLayer, name: string, value: unknown, file: string): boolean {
  const row = rows.get(name)
  if (row === undefined) return false
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') {
    throw new OptionError(`${file}: ${name} must be ${explainKind(row.kind)}`)
  }
  layer.values[row.property] = read(row, String(value), file)
  return true
}

function unknownOption(name: string, where: string): OptionError {
  const near = nearest(name, rows.keys())
  const hint = near === undefined ? '`hawser help mount` lists all' : `did you mean ${near}?`
  return new OptionError(`${where}: unknown option '${name}'; ${hint}`)
}

/** The candidate at most two edits away, if one is clearly meant. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined
  let least = Math.min(3, Math.ceil(word.length / 2))
  for (const candidate of candidates) {
    const distance = editDistance(word, candidate)
    if (distance < least) {
      least = distance
      best = candidate
    }
  }
  return best
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1))
    }
    row = next
  }
  return row[b.length]
}

export interface ResolvedOptions {
  options: MountOptions
  flags: KernelFlag[]
  /** What was changed, for the log. */
  notes: string[]
}

/** Layers from the strongest to the weakest; the defaults come last by themselves. */
export function resolveMountOptions(layers: readonly OptionLayer[], root: boolean): ResolvedOptions {
  const values: OptionValues = {}
  const ordered = layers.map(chooseUsers)
  for (const row of mountOptionTable) {
    const layer = ordered.find(({ values }) => values[row.property] !== undefined)
    values[row.property] = layer?.values[row.property] ?? row.default
  }
  const options = values as unknown as MountOptions
  const notes: string[] = []
  if (options.allowOther && options.allowRoot) {
    throw new OptionError('allow_other and allow_root exclude each other; choose one')
  }
  if (options.allowOther && root && !options.defaultPermissions) {
    if (layers.some(({ values }) => values.defaultPermissions === false)) {
      notes.push('allow_other as root turns default_permissions on: without it every user would act as root')
    }
    options.defaultPermissions = true
  }
  if (options.watch && !root) {
    throw new OptionError('watch needs root: the kernel tells nobody else of changes by others; leave it out')
  }
  if (options.watch && options.submounts) {
    throw new OptionError('watch and submounts exclude each other: one file system is watched; choose one')
  }
  // Root alone passes every check anyway; asking for each file's ACL would only cost requests.
  options.acl ??= options.defaultPermissions && (options.allowOther || !root)
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) delete (options as unknown as Record<string, unknown>)[name]
  }
  return { options, flags: [...new Set(layers.flatMap((layer) => layer.flags))], notes }
}

/** Whoever asks for one of allow_other and allow_root overrides the other where it is asked for less strongly. */
function chooseUsers(layer: OptionLayer): OptionLayer {
  const { allowOther, allowRoot } = layer.values
  const values = { ...layer.values }
  if (allowOther) values.allowRoot ??= false
  if (allowRoot) values.allowOther ??= false
  return { ...layer, values }
}
