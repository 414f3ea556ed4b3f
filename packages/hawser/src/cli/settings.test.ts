import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { mountRows, verb } from './mount.js'
import { parseArguments } from './parse.js'
import { configurationFiles, resolveSettings } from './settings.js'

describe('settings', () => {
  let folder: string
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'hawser-settings-'))
  })
  after(() => rmSync(folder, { recursive: true }))

  function file(name: string, content: unknown): string {
    const path = join(folder, name)
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
    return path
  }

  function settle(words: string[], environment: NodeJS.ProcessEnv = {}, files: string[] = []) {
    const given = parseArguments(verb, ['/a', '/b', ...words])
    return resolveSettings({ rows: mountRows, given, environment, files, root: false })
  }

  // Which of: option, environment, the user's file, the machine's file say something, and what counts.
  const precedence: [
    option: boolean,
    environment: boolean,
    user: boolean,
    machine: boolean,
    cache: string,
  ][] = [
    [true, true, true, true, 'never'],
    [true, false, false, true, 'never'],
    [false, true, true, true, 'always'],
    [false, true, false, false, 'always'],
    [false, false, true, true, 'never'],
    [false, false, false, true, 'always'],
    [false, false, false, false, 'auto'],
  ]
  for (const [option, environment, user, machine, expected] of precedence) {
    const speakers = Object.entries({ option, environment, user, machine }).filter(([, says]) => says)
    it(`from ${speakers.map(([name]) => name).join(', ') || 'nobody'} give cache=${expected}`, () => {
      const files = [
        user ? file('user.json', { cache: 'never', log_level: 'error' }) : join(folder, 'missing-1'),
        machine ? file('machine.json', { cache: 'always', log_level: 'debug' }) : join(folder, 'missing-2'),
      ]
      const { mount, program } = settle(
        option ? ['-o', 'cache=never', '--log-level', 'warn'] : [],
        environment ? { HAWSER_CACHE: 'always', HAWSER_LOG_LEVEL: 'info' } : {},
        files,
      )
      assert.equal(mount.options.cache, expected)
      const level = option ? 'warn' : environment ? 'info' : user ? 'error' : machine ? 'debug' : undefined
      assert.equal(program.get('log-level'), level)
    })
  }

  it('take options of the program from -o, for /etc/fstab', () => {
    const { program } = settle(['-o', 'ro,log_level=debug,log_file=/tmp/x'])
    assert.equal(program.get('log-level'), 'debug')
    assert.equal(program.get('log-file'), '/tmp/x')
    assert.throws(() => settle(['-o', 'log_level=loud']), /-o log_level: 'loud' is not valid/)
    assert.throws(() => settle(['-o', 'foreground']), /unknown option 'foreground'/)
  })

  it('understand JSON values of every kind in a file', () => {
    const path = file('kinds.json', {
      allow_other: true,
      uid: 7,
      umask: '022',
      'pid-file': '/run/x',
      foreground: false,
    })
    const { mount, program } = settle([], {}, [path])
    assert.equal(mount.options.allowOther, true)
    assert.equal(mount.options.uid, 7)
    assert.equal(mount.options.umask, 0o22)
    assert.equal(program.get('pid-file'), '/run/x')
    assert.equal(program.get('foreground'), 'false')
  })

  const bad: [name: string, content: string, message: RegExp][] = [
    ['not JSON', '{', /is not JSON/],
    ['a list', '[]', /must hold one object/],
    ['an unknown name', '{"cachee": "auto"}', /unknown option 'cachee'; did you mean cache\?/],
    ['a value that is no value', '{"cache": ["auto"]}', /cache must be one of/],
    ['a wrong value', '{"log_level": "loud"}', /log_level: 'loud' is not valid/],
  ]
  for (const [name, content, message] of bad) {
    it(`refuse a file with ${name}, naming it`, () => {
      const path = file('bad.json', content)
      assert.throws(
        () => settle([], {}, [path]),
        (error: Error) => message.test(error.message) && error.message.includes(path),
      )
    })
  }

  it('refuse a file that cannot be read', () => {
    const path = join(folder, 'directory.json')
    mkdirSync(path)
    assert.throws(() => settle([], {}, [path]), /cannot read the configuration file .*EISDIR/)
  })

  it('look for the files in the usual places', () => {
    assert.deepEqual(configurationFiles({ XDG_CONFIG_HOME: '/x', HOME: '/h' }), [
      '/x/hawser/config.json',
      '/etc/hawser/config.json',
    ])
    assert.deepEqual(configurationFiles({ HOME: '/h' })[0], '/h/.config/hawser/config.json')
    assert.deepEqual(configurationFiles({ XDG_CONFIG_HOME: 'relative' }), ['/etc/hawser/config.json'])
  })
})
