import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { verb as mount } from './mount.js'
import { parseCall } from './mount-helper.js'
import { parseArguments } from './parse.js'
import { verb as stats } from './stats.js'
import { UsageError } from './verb.js'

describe('arguments', () => {
  it('are read in any order, joined or not, repeated or not', () => {
    const words = [
      '-o',
      'ro',
      '/a',
      '--log-level=debug',
      '-ocache=never',
      '/b',
      '--option',
      'x',
      '--foreground',
    ]
    const { arguments: names, options } = parseArguments(mount, words)
    assert.deepEqual(names, ['/a', '/b'])
    assert.deepEqual(options.get('option'), ['ro', 'cache=never', 'x'])
    assert.deepEqual(options.get('log-level'), ['debug'])
    assert.deepEqual(options.get('foreground'), ['true'])
  })

  it('after -- are names', () => {
    assert.deepEqual(parseArguments(mount, ['--', '-a', '--help']).arguments, ['-a', '--help'])
  })

  const refused: [words: string[], message: RegExp][] = [
    [[], /SOURCE is missing; usage: hawser mount SOURCE MOUNTPOINT/],
    [['/a'], /MOUNTPOINT is missing/],
    [['/a', '/b', '/c'], /'\/c' is one argument too many/],
    [['/a', '/b', '--forground'], /unknown option --forground; did you mean --foreground\?/],
    [['/a', '/b', '-z'], /unknown option -z/],
    [['/a', '/b', '--log-level'], /--log-level needs a value/],
    [['/a', '/b', '--log-level', 'loud'], /--log-level loud: use one of error, warn, info, debug/],
    [['/a', '/b', '--foreground=perhaps'], /use true or false/],
  ]
  for (const [words, message] of refused) {
    it(`are refused: mount ${words.join(' ')}`, () => {
      assert.throws(
        () => parseArguments(mount, words),
        (error) => error instanceof UsageError && message.test(error.message),
      )
    })
  }

  it('of a kind are checked', () => {
    assert.throws(() => parseArguments(stats, ['/a', '--count', '0']), /--count 0: use a whole number from 1/)
  })

  it('that ask for help need nothing else', () => {
    assert.ok(parseArguments(mount, ['-h']).options.has('help'))
  })
})

describe('the mount helper', () => {
  it('is called as mount(8) does', () => {
    const call = parseCall(['/a', '/b', '-sfnv', '-o', 'rw,ro', '-t', 'hawser'])
    assert.deepEqual(call.input.arguments, ['/a', '/b'])
    assert.deepEqual(call.input.options.get('option'), ['rw,ro'])
    assert.deepEqual([call.sloppy, call.fake, call.verbose], [true, true, true])
  })

  it('takes joined values and options first', () => {
    const call = parseCall(['-v', '-oro', '/a', '/b'])
    assert.deepEqual(call.input.options.get('option'), ['ro'])
    assert.deepEqual([call.sloppy, call.fake, call.verbose], [false, false, true])
  })

  for (const words of [
    ['/a'],
    ['/a', '/b', '/c'],
    ['/a', '/b', '-o'],
    ['/a', '/b', '-z'],
    ['/a', '/b', '--ro'],
    ['/a', '/b', '-N', '1'],
  ]) {
    it(`refuses ${words.join(' ')}`, () => assert.throws(() => parseCall(words), UsageError))
  }
})
