import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { helperScript, serviceUnit } from './setup-files.js'

const program = fileURLToPath(new URL('../../bin/hawser.js', import.meta.url))

describe('hawser setup', () => {
  let prefix: string
  before(() => {
    prefix = mkdtempSync(join(tmpdir(), 'hawser-setup-'))
  })
  after(() => rmSync(prefix, { recursive: true }))

  const setup = (...words: string[]) =>
    spawnSync(process.execPath, [program, 'setup', '--prefix', prefix, ...words], { encoding: 'utf8' })
  const helper = () => join(prefix, 'sbin/mount.hawser')
  const unit = () => join(prefix, 'etc/systemd/system/hawser@.service')

  it('installs a helper and a unit, and shows how to use them', () => {
    const { status, stdout } = setup()
    assert.equal(status, 0)
    assert.match(stdout, /mount -t hawser/)
    assert.match(stdout, /^ {2}\/data {2}\/mnt\/data {2}hawser {2}allow_other,nofail {2}0 {2}0$/m)
    assert.equal(statSync(helper()).mode & 0o777, 0o755)
    assert.ok(readFileSync(unit(), 'utf8').includes(program))
  })

  it('installs a helper that runs', () => {
    const { status, stderr } = spawnSync(helper(), ['/only-one'], { encoding: 'utf8' })
    assert.equal(status, 32)
    assert.equal(stderr, 'mount.hawser: usage: mount.hawser SOURCE MOUNTPOINT [-sfnv] [-o NAME[=VALUE],…]\n')
  })

  it('changes nothing when it is run again', () => {
    const before = statSync(helper()).ino
    assert.match(setup().stdout, /mount\.hawser is up to date/)
    assert.equal(statSync(helper()).ino, before)
  })

  it('removes both, and may be told so again', () => {
    assert.equal(setup('--remove').status, 0)
    assert.ok(!existsSync(helper()) && !existsSync(unit()))
    const { status, stdout } = setup('--remove')
    assert.equal(status, 0)
    assert.match(stdout, /is not there/)
  })

  it("leaves another program's files alone", () => {
    mkdirSync(join(prefix, 'sbin'), { recursive: true })
    writeFileSync(helper(), '#!/bin/sh\n')
    for (const words of [[], ['--remove']]) {
      const { status, stderr } = setup(...words)
      assert.equal(status, 1)
      assert.match(stderr, /^hawser: .*mount\.hawser exists and was not installed by hawser[^\n]*\n$/)
    }
    assert.equal(readFileSync(helper(), 'utf8'), '#!/bin/sh\n')
  })

  it('quotes what the shell and systemd would read otherwise', () => {
    const { stdout } = spawnSync('sh', ['-c', helperScript(['echo', "it's a $HOME; `x`"])], {
      encoding: 'utf8',
    })
    assert.equal(stdout, "it's a $HOME; `x` mount-helper\n")
    assert.match(serviceUnit(['/opt/my node', '/a%b$c']), /ExecStart="\/opt\/my node" \/a%%b\$\$c mount /)
  })

  it('installs the unit that lies in deploy/systemd', () => {
    const text = readFileSync(new URL('../../../../deploy/systemd/hawser@.service', import.meta.url), 'utf8')
    assert.equal(text, serviceUnit(['/usr/bin/hawser']))
  })
})
