// What the program's two beginnings share (main.ts, background.ts): arguments are read, a verb runs, and what is thrown
// becomes one line and an exit code.
import { parseArguments } from './parse.js'
import { exitCodes, Failure, UsageError, type Verb } from './verb.js'

/** Runs a verb with the words after its name; the exit code. */
export async function runVerb(verb: Verb, words: readonly string[]): Promise<number> {
  const input = parseArguments(verb, words)
  if (!input.options.has('help')) return await verb.run(input)
  const { helpOf } = await import('./help.js')
  process.stdout.write(await helpOf(verb))
  return exitCodes.ok
}

export async function exitWith(code: Promise<number>): Promise<never> {
  process.exitCode = await code.catch(explain)
  // A background process's handle or a signal handler must not keep us; what was printed to a pipe is synchronous.
  process.exit()
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

/** A reader that has had enough (`hawser status | head -1`) is no failure. */
export function endWithReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(exitCodes.ok)
    throw error
  })
}
