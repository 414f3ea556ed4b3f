// Where settings come from: an option beats the environment, which beats the configuration files, which beat the defaults.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  environmentName,
  environmentOptions,
  explainKind,
  mountOptionTable,
  nearest,
  OptionError,
  type OptionLayer,
  parseOptionWords,
  parseValue,
  type ResolvedOptions,
  readConfigured,
  resolveMountOptions,
} from '../mount/options.js'
import type { OptionRow, ParsedArguments } from './verb.js'

export interface SettingsInput {
  rows: readonly OptionRow[]
  given: ParsedArguments
  environment: NodeJS.ProcessEnv
  /** From the strongest to the weakest. */
  files: readonly string[]
  root: boolean
  sloppy?: boolean
}

export interface Settings {
  mount: ResolvedOptions
  /** Options of the program, by name; absent: the default. */
  program: Map<string, string>
}

/** The files that are read where they exist: the user's own, then the machine's. */
export function configurationFiles(environment: NodeJS.ProcessEnv): string[] {
  const { XDG_CONFIG_HOME: given, HOME: home } = environment
  const user = given?.startsWith('/') ? given : home ? join(home, '.config') : undefined
  const own = user === undefined ? [] : [join(user, 'hawser', 'config.json')]
  return [...own, '/etc/hawser/config.json']
}

export function resolveSettings(input: SettingsInput): Settings {
  const { rows, given, environment, root, sloppy } = input
  const configurable = rows.filter((row) => row.configurable)
  const files = input.files.map((file) => readConfiguration(file, configurable))
  const words = new Map<string, string>()
  // Some of the program's options too, for those who have nothing but -o: /etc/fstab and mount(8).
  const other = (name: string, text = 'true') => {
    const row = configurable.find((row) => row.name.replaceAll('-', '_') === name)
    if (row === undefined || row.name === 'foreground') return false
    words.set(row.name, check(row, text, `-o ${name}`))
    return true
  }
  const layers = [
    parseOptionWords(given.options.get('option') ?? [], { sloppy, other }),
    environmentOptions(environment),
    ...files.map(({ layer }) => layer),
  ]
  const program = new Map<string, string>()
  for (const row of rows) {
    const variable = environmentName(row.name)
    const fromEnvironment = row.configurable && environment[variable]
    const value =
      given.options.get(row.name)?.at(-1) ??
      words.get(row.name) ??
      (fromEnvironment ? check(row, fromEnvironment, `environment variable ${variable}`) : undefined) ??
      files.find(({ program }) => program.has(row.name))?.program.get(row.name)
    if (value !== undefined) program.set(row.name, check(row, value, `--${row.name}`))
  }
  return { mount: resolveMountOptions(layers, root), program }
}

/** The text, once it is known to be of the option's kind; booleans as 'true' or 'false'. */
function check(row: OptionRow, text: string, where: string): string {
  const value = parseValue(row.kind, text)
  if (value === undefined)
    throw new OptionError(`${where}: '${text}' is not valid; use ${explainKind(row.kind)}`)
  return String(value)
}

interface Configuration {
  layer: OptionLayer
  program: Map<string, string>
}

/** A file that is missing says nothing; one that cannot be understood is an error, not a surprise later. */
function readConfiguration(file: string, rows: readonly OptionRow[]): Configuration {
  const result: Configuration = { layer: { values: {}, flags: [] }, program: new Map() }
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return result
    throw new OptionError(`cannot read the configuration file ${file}: ${code}; correct or remove it`)
  }
  for (const [name, value] of Object.entries(parseObject(file, text))) {
    if (readConfigured(result.layer, name, value, file)) continue
    const row = rows.find((row) => row.name === name || row.name.replaceAll('-', '_') === name)
    if (row === undefined) throw unknownName(file, name, rows)
    result.program.set(row.name, check(row, String(value), `${file}: ${name}`))
  }
  return result
}

function parseObject(file: string, text: string): object {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new OptionError(`the configuration file ${file} is not JSON: ${(error as Error).message}`)
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  throw new OptionError(`the configuration file ${file} must hold one object, such as {"cache": "auto"}`)
}

function unknownName(file: string, name: string, rows: readonly OptionRow[]): OptionError {
  const known = [
    ...mountOptionTable.map((row) => row.name),
    ...rows.map((row) => row.name.replaceAll('-', '_')),
  ]
  const near = nearest(name, known)
  return new OptionError(
    `${file}: unknown option '${name}'; ${near === undefined ? '`hawser help mount` lists all' : `did you mean ${near}?`}`,
  )
}
