// The program's door: finds the verb, loads its file and nothing else, and turns what is thrown into one line.
import { exitCodes, Failure, UsageError, type Verb } from './verb.js'
import { verbs } from './verbs.js'

const aliases: Readonly<Record<string, string>> = {
  '--help': 'help',
  '-h': 'help',
  '--version': 'version',
  '-V': 'version',
  '-v': 'version',
  unmount: 'umount',
}

/** A mount that will probably go to the background: its process may start now. A wrong guess costs a process that ends. */
function isHot(words: readonly string[]): boolean {
  if (words[0] !== 'mount' && words[0] !== 'mount-helper') return false
  return (
    words.length > 2 && !process.env.HAWSER_FOREGROUND && !words.some((word) => /^(--f|--h|-[fh])/.test(word))
  )
}

async function main(words: readonly string[]): Promise<number> {
  if (isHot(words)) {
    const { launchEarly } = await import('../daemon/spawn.js')
    launchEarly(words.slice(1))
  }
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
  const { parseArguments } = await import('./parse.js')
  const input = parseArguments(verb, words.slice(1))
  if (input.options.has('help')) return await printHelp(verb)
  return await verb.run(input)
}

async function printHelp(verb: Verb): Promise<number> {
  const { helpOf } = await import('./help.js')
  process.stdout.write(await helpOf(verb))
  return exitCodes.ok
}

function explain(error: unknown): number {
  const message = (error instanceof Error ? error.message : String(error)).replaceAll('\n', ' ')
  process.stderr.write(`hawser: ${message}\n`)
  const { code, exitCode } = error as { code?: unknown; exitCode?: unknown }
  const expected = error instanceof Failure || error instanceof UsageError
  if (!expected && isDebugging() && error instanceof Error) process.stderr.write(`${error.stack}\n`)
  if (typeof exitCode === 'number') return exitCode
  return code === 'HAWSER_USAGE' || code === 'HAWSER_OPTION' ? exitCodes.usage : exitCodes.failure
}

function isDebugging(): boolean {
  return process.env.HAWSER_LOG_LEVEL === 'debug' || /--log-level[= ]debug/.test(process.argv.join(' '))
}

// A reader that has had enough (`hawser status | head -1`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCodes.ok)
  throw error
})

process.exitCode = await main(process.argv.slice(2)).catch(explain)
// A background process's handle or a signal handler must not keep us; what was printed to a pipe is synchronous.
process.exit()
