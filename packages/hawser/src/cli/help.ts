import { describeKind, nearest } from '../mount/options.js'
import { optionsOf } from './parse.js'
import { wrap } from './text.js'
import { exitCodes, type OptionRow, type ParsedArguments, UsageError, type Verb } from './verb.js'
import { verbs } from './verbs.js'

const INDENT = 26

function overview(): string {
  const rows = Object.entries(verbs).filter(([, { hidden }]) => !hidden)
  return `hawser moors storage to a directory, at the speed of the kernel.

usage: hawser VERB [arguments]

${rows.map(([name, { summary }]) => `  ${name.padEnd(10)} ${summary}`).join('\n')}

  hawser mount /data /mnt          show /data at /mnt
  hawser umount /mnt               and end it
  hawser demo                      see it work, without arguments
  hawser help VERB                 every option of a verb

Exit codes: 0 done, 1 failed, 2 called wrongly.
`
}

export async function helpOf(verb: Verb): Promise<string> {
  const details = (await verb.details?.()) ?? ''
  return `hawser ${verb.name}: ${verb.summary}

usage: hawser ${verb.name} ${verb.usage}`
    .trimEnd()
    .concat(
      `\n\noptions:\n${optionsOf(verb).map(formatOption).join('')}`,
      details === '' ? '' : `\n${details}`,
    )
}

function formatOption(row: OptionRow): string {
  const value = row.kind.type === 'boolean' ? '' : ` ${describeKind(row.kind)}`
  const name = `${row.short === undefined ? '' : `-${row.short}, `}--${row.name}${value}`
  const more = row.default === undefined ? '' : ` Default: ${row.default}.`
  return definition(name, `${row.explanation}${more}`)
}

/** A name on the left, its explanation wrapped on the right. */
export function definition(name: string, explanation: string): string {
  const lines = wrap(explanation, 100 - INDENT)
  const head = `  ${name}`
  const first = head.length < INDENT ? `${head.padEnd(INDENT)}${lines.shift()}\n` : `${head}\n`
  return first + lines.map((line) => `${' '.repeat(INDENT)}${line}\n`).join('')
}

export const verb: Verb = {
  name: 'help',
  usage: '[VERB]',
  summary: 'Explain a verb',
  arguments: [],
  options: [],
  async run(input: ParsedArguments) {
    const [name] = input.arguments.filter((word) => !word.startsWith('-'))
    if (name === undefined) {
      process.stdout.write(overview())
      return exitCodes.ok
    }
    const entry = Object.hasOwn(verbs, name) ? verbs[name] : undefined
    if (entry === undefined) {
      const near = nearest(name, Object.keys(verbs))
      throw new UsageError(
        `help: '${name}' is not a verb${near === undefined ? '' : `; did you mean ${near}?`}`,
      )
    }
    process.stdout.write(await helpOf(await entry.load()))
    return exitCodes.ok
  },
}
