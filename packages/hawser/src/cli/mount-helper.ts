// /sbin/mount.hawser: what mount(8) runs for `mount -t hawser` and for a line of /etc/fstab.
import { mountInBackground, prepare } from './mount.js'
import { endWithReader } from './run.js'
import { exitCodes, type ParsedArguments, UsageError, type Verb } from './verb.js'

export const verb: Verb = {
  name: 'mount-helper',
  usage: 'SOURCE MOUNTPOINT [-sfnv] [-o NAME[=VALUE],…]',
  summary: 'What mount(8) calls for type hawser',
  arguments: ['SOURCE', 'MOUNTPOINT'],
  options: [],
  async run({ arguments: words }) {
    try {
      const call = parseCall(words)
      const { request } = await prepare({ input: call.input, sloppy: call.sloppy })
      if (call.fake) return exitCodes.ok
      const pid = await mountInBackground(request, false)
      if (call.verbose) {
        endWithReader()
        process.stdout.write(`mount.hawser: ${request.source} on ${request.mountpoint}, process ${pid}\n`)
      }
      return exitCodes.ok
    } catch (error) {
      // One line and one code, whatever it was: mount(8) adds nothing of its own.
      process.stderr.write(`mount.hawser: ${(error as Error).message.replaceAll('\n', ' ')}\n`)
      return exitCodes.mountFailure
    }
  },
}

export interface HelperCall {
  input: ParsedArguments
  sloppy: boolean
  fake: boolean
  verbose: boolean
}

/** Reads mount(8)'s way of calling: letters may be joined, and options may come before or after the two names. */
export function parseCall(words: readonly string[]): HelperCall {
  const call: HelperCall = {
    input: { arguments: [], options: new Map([['option', []]]) },
    sloppy: false,
    fake: false,
    verbose: false,
  }
  for (let index = 0; index < words.length; index++) {
    const word = words[index]
    if (!word.startsWith('-') || word === '-') call.input.arguments.push(word)
    else if (word.startsWith('--')) throw new UsageError(`unknown option ${word}`)
    else if (readLetters(call, word, words[index + 1])) index++
  }
  if (call.input.arguments.length !== 2) {
    throw new UsageError(`usage: mount.hawser ${verb.usage}`)
  }
  return call
}

/** Whether the next word was used up as a letter's value. */
function readLetters(call: HelperCall, word: string, next: string | undefined): boolean {
  for (let at = 1; at < word.length; at++) {
    const letter = word[at]
    if (letter === 's') call.sloppy = true
    else if (letter === 'f') call.fake = true
    else if (letter === 'v') call.verbose = true
    else if (letter === 'n')
      continue // there is no /etc/mtab to leave alone
    else if ('otN'.includes(letter)) {
      const joined = word.slice(at + 1)
      const value = joined === '' ? next : joined
      if (value === undefined) throw new UsageError(`-${letter} needs a value`)
      if (letter === 'N')
        throw new UsageError('-N is not supported; run mount inside that namespace (nsenter)')
      if (letter === 'o') call.input.options.get('option')?.push(value)
      return joined === ''
    } else throw new UsageError(`unknown option -${letter}`)
  }
  return false
}
