// The program's door: finds the verb, loads its file and nothing else. A mount in the background comes through background.ts.
import { endWithReader, exitWith, runVerb } from './run.js'
import { UsageError } from './verb.js'
import { verbs } from './verbs.js'

const aliases: Readonly<Record<string, string>> = {
  '--help': 'help',
  '-h': 'help',
  '--version': 'version',
  '-V': 'version',
  '-v': 'version',
  unmount: 'umount',
}

async function main(words: readonly string[]): Promise<number> {
  const given = words[0] ?? 'help'
  const name = aliases[given] ?? given
  const entry = Object.hasOwn(verbs, name) ? verbs[name] : undefined
  if (entry === undefined) {
    const { nearest } = await import('../mount/options.js')
    const near = nearest(name, Object.keys(verbs))
    throw new UsageError(
      `'${given}' is not a verb; ${near === undefined ? 'run hawser help' : `did you mean ${near}? hawser help lists all`}`,
    )
  }
  const verb = await entry.load()
  // mount(8) has its own habits about options, and help takes any word.
  if (entry.hidden || name === 'help') {
    return await verb.run({ arguments: words.slice(1), options: new Map() })
  }
  return await runVerb(verb, words.slice(1))
}

endWithReader()
await exitWith(main(process.argv.slice(2)))
