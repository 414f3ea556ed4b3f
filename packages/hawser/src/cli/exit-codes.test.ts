import assert from 'node:assert/strict'
import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { Fixture } from './end-to-end.js'

describe('the program', () => {
  const at = new Fixture()
  after(() => at.end())
  const { source, mountpoint } = at
  symlinkSync(mountpoint, join(at.folder, 'link'))

  const calls: [words: string[], code: number, message: RegExp][] = [
    [['frobnicate'], 2, /'frobnicate' is not a verb/],
    [['mout'], 2, /did you mean mount\?/],
    [['mount'], 2, /SOURCE is missing/],
    [['mount', source], 2, /MOUNTPOINT is missing/],
    [['mount', source, ''], 2, /MOUNTPOINT is empty/],
    [['umount', ''], 2, /MOUNTPOINT is empty/],
    [['mount', source, mountpoint, 'third'], 2, /one argument too many/],
    [['mount', source, mountpoint, '-o', 'frobnicate'], 2, /unknown option 'frobnicate'/],
    [['mount', source, mountpoint, '-o', 'cache=often'], 2, /use one of never, auto, always/],
    [['mount', source, mountpoint, '-o', 'allow_other,allow_root'], 2, /exclude each other/],
    [['mount', source, mountpoint, '--frobnicate'], 2, /unknown option --frobnicate/],
    [['mount', source, mountpoint, '--log-level', 'loud'], 2, /use one of error/],
    [['mount', source, mountpoint, '--metrics', '0.0.0.0:9100'], 2, /--metrics-allow-remote/],
    [['mount', source, mountpoint, '--log-file', join(mountpoint, 'log')], 2, /under the mount point/],
    [['mount', source, mountpoint, '--pid-file', join(at.folder, 'link', 'pid')], 2, /under the mount point/],
    [['mount', source, mountpoint, '--pid-file', join(at.folder, 'none', 'pid')], 1, /the pid file .*ENOENT/],
    [['mount', source, mountpoint, '--metrics', `unix:${at.folder}/none/x`], 1, /folder is missing/],
    [['mount', source, at.folder], 2, /HAWSER_RUNTIME_DIR.* lies under the mount point/],
    [['mount', source, '/dev/fd/0'], 2, /needs --foreground/],
    [['umount', mountpoint, '--lazy', '--force'], 2, /exclude each other/],
    [['umount', mountpoint], 1, /not mounted/],
    [['umount', '/proc'], 1, /\/proc/],
    [['stats', mountpoint], 1, /not one of your mounts/],
    [['stats', mountpoint, '--interval', '0'], 2, /--interval 0/],
    [['help', 'frobnicate'], 2, /not a verb/],
    [['mount-helper', source], 32, /usage: mount\.hawser/],
    [['mount-helper', source, mountpoint, '-o', 'frobnicate'], 32, /unknown option 'frobnicate'/],
    [['mount-helper', join(source, 'missing'), mountpoint], 32, /missing/],
  ]
  for (const [words, code, message] of calls) {
    const shown = words.map((word) => word.replace(at.folder, ''))
    it(`exits with ${code} and one line: ${shown.join(' ')}`, async () => {
      const finished = await at.hawser(...words)
      assert.equal(finished.code, code, finished.stderr)
      assert.match(finished.stderr, /^[^\n]+\n$/)
      assert.match(finished.stderr, message)
      assert.equal(finished.stdout, '')
      assert.deepEqual(at.mounted(), [])
    })
  }

  it('names a configuration file that it cannot understand', async () => {
    const path = join(at.folder, 'config')
    at.environment.XDG_CONFIG_HOME = join(path, '..')
    const { mkdirSync } = await import('node:fs')
    mkdirSync(join(at.folder, 'hawser'))
    const file = join(at.folder, 'hawser', 'config.json')
    writeFileSync(file, '{')
    const { code, stderr } = await at.hawser('mount', source, mountpoint)
    assert.equal(code, 2)
    assert.ok(stderr.includes(file))
  })

  it('helps without arguments', async () => {
    const { code, stdout } = await at.hawser()
    assert.equal(code, 0)
    assert.match(stdout, /hawser mount \/data \/mnt/)
    assert.match((await at.hawser('--version')).stdout, /^hawser \d+\.\d+\.\d+ /)
    assert.deepEqual((await at.hawser('status')).stdout, 'nothing is mounted\n')
  })
})
