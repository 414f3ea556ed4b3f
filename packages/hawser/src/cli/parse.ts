import { parseArgs } from 'node:util'
import { describeKind, explainKind, nearest, parseBoolean, parseValue } from '../mount/options.js'
import { type OptionRow, type ParsedArguments, UsageError, type Verb } from './verb.js'

const helpOption: OptionRow = {
  name: 'help',
  short: 'h',
  kind: { type: 'boolean' },
  explanation: 'Print this.',
}

export function optionsOf(verb: Verb): readonly OptionRow[] {
  return [...verb.options, helpOption]
}

/** Reads the words after the verb; throws a UsageError. Only the form is checked, and the number of arguments. */
export function parseArguments(verb: Verb, words: readonly string[]): ParsedArguments {
  const rows = optionsOf(verb)
  const { tokens } = parseArgs({
    args: [...words],
    strict: false,
    allowPositionals: true,
    tokens: true,
    options: Object.fromEntries(
      rows.map(({ name, short, kind }) => [
        name,
        {
          type: kind.type === 'boolean' ? 'boolean' : 'string',
          ...(short === undefined ? {} : { short }),
        } as const,
      ]),
    ),
  })
  const result: ParsedArguments = { arguments: [], options: new Map() }
  for (const token of tokens) {
    if (token.kind === 'positional') result.arguments.push(token.value)
    if (token.kind !== 'option') continue
    const row = rows.find(({ name }) => name === token.name)
    if (row === undefined) throw unknown(verb, token.rawName, rows)
    const values = result.options.get(row.name) ?? []
    values.push(readValue(verb, row, token.rawName, token.value))
    result.options.set(row.name, values)
  }
  if (result.options.has('help')) return result
  checkCount(verb, result.arguments)
  return result
}

function readValue(verb: Verb, row: OptionRow, written: string, value: string | undefined): string {
  if (row.kind.type === 'boolean') {
    const truth = value === undefined ? true : parseBoolean(value)
    if (truth === undefined) throw new UsageError(`${written}=${value}: use true or false`)
    return String(truth)
  }
  // `--pid-file --foreground` is a forgotten value, not a file of that name.
  if (value === undefined || value === '') {
    throw new UsageError(
      `${written} needs a value: ${written} ${describeKind(row.kind)}; see hawser help ${verb.name}`,
    )
  }
  if (parseValue(row.kind, value) === undefined) {
    throw new UsageError(`${verb.name}: ${written} ${value}: use ${explainKind(row.kind)}`)
  }
  return value
}

function unknown(verb: Verb, written: string, rows: readonly OptionRow[]): UsageError {
  const near = nearest(
    written.replace(/^-+/, ''),
    rows.map(({ name }) => name),
  )
  const hint = near === undefined ? `see hawser help ${verb.name}` : `did you mean --${near}?`
  return new UsageError(`${verb.name}: unknown option ${written}; ${hint}`)
}

function checkCount(verb: Verb, given: readonly string[]): void {
  if (given.length === verb.arguments.length) return
  const usage = `usage: hawser ${verb.name} ${verb.usage}`.trimEnd()
  if (given.length < verb.arguments.length) {
    throw new UsageError(`${verb.name}: ${verb.arguments[given.length]} is missing; ${usage}`)
  }
  throw new UsageError(`${verb.name}: '${given[verb.arguments.length]}' is one argument too many; ${usage}`)
}
