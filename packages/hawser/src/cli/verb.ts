import type { OptionKind } from '../mount/options.js'

export const exitCodes = { ok: 0, failure: 1, usage: 2, mountFailure: 32 } as const

/** An option of the program itself, written --name. */
export interface OptionRow {
  name: string
  /** One letter, without the dash. */
  short?: string
  kind: OptionKind
  explanation: string
  default?: string
  repeatable?: boolean
  /** Also read from HAWSER_NAME and from the configuration files. */
  configurable?: boolean
}

export interface Verb {
  name: string
  /** After the verb, as in 'SOURCE MOUNTPOINT [options]'. */
  usage: string
  summary: string
  /** Names of the positional arguments; all are required. */
  arguments: readonly string[]
  options: readonly OptionRow[]
  /** Paragraphs and examples for `hawser help VERB`. */
  details?: () => string | Promise<string>
  /** The exit code. */
  run(input: ParsedArguments): Promise<number>
}

export interface ParsedArguments {
  arguments: string[]
  /** As given, by option name; a flag is 'true'. */
  options: Map<string, string[]>
}

/** A mistake in how the program was called: one line, exit 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  readonly code = 'HAWSER_USAGE'
}

/** Something failed, and the message says it all: one line, exit 1 unless told otherwise. */
export class Failure extends Error {
  override readonly name = 'Failure'
  readonly code = 'HAWSER_FAILURE'
  readonly exitCode: number
  constructor(message: string, exitCode: number = exitCodes.failure) {
    super(message)
    this.exitCode = exitCode
  }
}

export const flag = { type: 'boolean' } as const
export const jsonOption: OptionRow = {
  name: 'json',
  kind: flag,
  explanation: 'Print JSON, for programs.',
}

export function has(input: ParsedArguments, name: string): boolean {
  return input.options.get(name)?.at(-1) === 'true'
}
