import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ignoredWords } from './option-table.js'
import {
  environmentName,
  environmentOptions,
  mountOptionTable,
  nearest,
  OptionError,
  parseOptionWords,
  resolveMountOptions,
} from './options.js'

const parse = (...lists: string[]) => parseOptionWords(lists)
const resolve = (...lists: string[]) => resolveMountOptions([parse(...lists)], false).options

describe('options of a mount', () => {
  it('have a default each', () => {
    assert.deepEqual(resolve(), {
      cache: 'auto',
      ro: false,
      allowOther: false,
      allowRoot: false,
      defaultPermissions: false,
      subtype: 'hawser',
      passthrough: 'auto',
      locks: 'local',
      submounts: false,
      watch: false,
      engine: 'auto',
      xattr: true,
      acl: false,
    })
  })

  it('are read from several lists, the last word counting', () => {
    const options = resolve('ro,cache=never', 'uid=1000,,rw', 'umask=027,max_read=128K,cache=always')
    assert.equal(options.ro, false)
    assert.equal(options.cache, 'always')
    assert.equal(options.uid, 1000)
    assert.equal(options.umask, 0o27)
    assert.equal(options.maxRead, 131_072)
  })

  it('of two values are written in every usual way', () => {
    for (const word of ['noxattr', 'xattr=off', 'xattr=false', 'xattr=no', 'xattr=0', 'xattr=OFF']) {
      assert.equal(resolve(word).xattr, false, word)
    }
    for (const word of ['submounts', 'submounts=on', 'submounts=true', 'submounts=yes', 'submounts=1']) {
      assert.equal(resolve(word).submounts, true, word)
    }
  })

  it('may hold a comma behind a backslash', () => {
    assert.equal(resolve('fsname=a\\,b,ro').fsname, 'a,b')
  })

  const refused: [words: string, message: RegExp][] = [
    ['cach=never', /unknown option 'cach'; did you mean cache\?/],
    ['frobnicate', /unknown option 'frobnicate'; `hawser help mount`/],
    ['nocache', /unknown option 'nocache'/],
    ['cache', /cache needs a value: cache=never\|auto\|always/],
    ['cache=', /cache= is not valid; use one of never, auto, always/],
    ['cache=often', /use one of never, auto, always/],
    ['ro=perhaps', /use true or false/],
    ['uid=root', /use a whole number/],
    ['uid=-1', /use a whole number/],
    ['uid=4294967295', /use a whole number from 0 to 4294967294/],
    ['umask=9', /use an octal number/],
    ['umask=1777', /use an octal number up to 777/],
    ['max_read=100', /use bytes from 4096/],
    ['subtype=a b', /letters, digits/],
    ['fsname=', /not empty/],
    ['remount', /unmount and mount again/],
    ['allow_other,allow_root', /exclude each other/],
    ['rw=1', /unknown option 'rw'/],
  ]
  for (const [words, message] of refused) {
    it(`are refused: ${words}`, () => {
      assert.throws(
        () => resolve(words),
        (error) => error instanceof OptionError && message.test(error.message),
      )
    })
  }

  it('may be unknown for mount -s', () => {
    assert.deepEqual(parseOptionWords(['frobnicate=1,ro'], { sloppy: true }).values, { ro: true })
  })

  it('of /etc/fstab say nothing', () => {
    const words = [
      '_netdev',
      'nofail',
      'auto',
      'noauto',
      'user',
      'users',
      'defaults',
      'rw',
      'x-systemd.automount',
    ]
    const values = [
      'x-systemd.requires=/data',
      'user=nobody',
      'comment=mine',
      'X-mount.mkdir=0755',
      'uhelper=hal',
    ]
    const layer = parse([...words, ...values].join(','))
    assert.deepEqual(layer, { values: { ro: false }, flags: [] })
  })

  it('share no name with the words of /etc/fstab', () => {
    for (const { name } of mountOptionTable) assert.ok(!ignoredWords.has(name), name)
  })

  it('keep the restrictions of the kernel apart, each once', () => {
    assert.deepEqual(parse('noexec,nosuid,nodev,noexec,noatime').flags, [
      'noexec',
      'nosuid',
      'nodev',
      'noatime',
    ])
  })

  it('come from the environment under their own names', () => {
    const layer = environmentOptions({
      HAWSER_CACHE: 'never',
      HAWSER_ALLOW_OTHER: 'yes',
      HAWSER_UID: '',
      HAWSER_SOMETHING_ELSE: 'x',
    })
    assert.deepEqual(layer.values, { cache: 'never', allowOther: true })
    assert.throws(
      () => environmentOptions({ HAWSER_CACHE: 'x' }),
      /environment variable HAWSER_CACHE: cache=x/,
    )
    assert.equal(environmentName('log-level'), 'HAWSER_LOG_LEVEL')
  })

  it('force default_permissions on allow_other as root, and say so where it was refused', () => {
    const layers = [parse('allow_other')]
    assert.equal(resolveMountOptions(layers, true).options.defaultPermissions, true)
    assert.equal(resolveMountOptions(layers, true).options.acl, true)
    assert.equal(resolveMountOptions([parse('default_permissions')], true).options.acl, false)
    assert.equal(resolveMountOptions([parse('default_permissions')], false).options.acl, true)
    assert.equal(resolveMountOptions([parse('default_permissions,acl')], true).options.acl, true)
    assert.deepEqual(resolveMountOptions(layers, true).notes, [])
    assert.equal(resolveMountOptions(layers, false).options.defaultPermissions, false)
    const refused = resolveMountOptions([parse('allow_other,default_permissions=off')], true)
    assert.equal(refused.options.defaultPermissions, true)
    assert.equal(refused.notes.length, 1)
  })

  it('refuse watch without root, and with submounts', () => {
    assert.throws(() => resolve('watch'), /^OptionError: watch needs root/)
    const asRoot = (words: string) => resolveMountOptions([parse(words)], true).options
    assert.equal(asRoot('watch').watch, true)
    assert.equal(resolveMountOptions([environmentOptions({ HAWSER_WATCH: '1' })], true).options.watch, true)
    assert.throws(() => asRoot('watch,submounts'), /watch and submounts exclude each other/)
  })

  it('let a stronger layer choose between allow_other and allow_root', () => {
    const { options } = resolveMountOptions([parse('allow_root'), parse('allow_other')], false)
    assert.equal(options.allowRoot, true)
    assert.equal(options.allowOther, false)
  })

  it('prefer the first layer that speaks', () => {
    const { options } = resolveMountOptions(
      [parse('cache=never'), parse('cache=always,ro'), parse('rw,uid=5')],
      false,
    )
    assert.equal(options.cache, 'never')
    assert.equal(options.ro, true)
    assert.equal(options.uid, 5)
  })
})

describe('nearest', () => {
  it('suggests only what was clearly meant', () => {
    assert.equal(nearest('alow_other', ['allow_other', 'allow_root']), 'allow_other')
    assert.equal(nearest('zzz', ['allow_other', 'ro']), undefined)
    assert.equal(nearest('x', ['ro', 'uid']), undefined)
  })
})
