import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { Fixture, isServer, until } from './end-to-end.js'

const limit = {
  timeout: 600_000,
  skip: process.geteuid!() === 0 ? false : 'needs root for a mount namespace',
}

// The private namespace sees only our helper in /sbin: nothing is written to the machine's own folders.
const script = `set -e
mount -t tmpfs tmpfs "$(readlink -f /sbin)"
cp "$1/sbin/mount.hawser" /sbin/mount.hawser
shift
exec "$@"
`

describe('mount -t hawser', limit, () => {
  let at: Fixture
  beforeEach(async () => {
    at = new Fixture()
    assert.equal((await at.hawser('setup', '--prefix', at.folder)).code, 0)
  })
  afterEach(() => at.end())

  const inside = (command: string) =>
    at.run('unshare', [
      '-m',
      '--propagation',
      'private',
      'sh',
      '-c',
      script,
      'sh',
      at.folder,
      'sh',
      '-ec',
      command,
    ])

  it('mounts, and umount(8) unmounts', limit, async () => {
    const { code, stdout, stderr } = await inside(
      `mount -t hawser ${at.source} ${at.mountpoint} -o ro,_netdev,cache=never
       cat ${at.path('hello')}
       grep ' ${at.mountpoint} ' /proc/self/mountinfo
       umount ${at.mountpoint}`,
    )
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^hello, world\n.* - fuse\.hawser /s)
    assert.match(stdout, / ro,/)
    assert.equal(stderr, '')
    await until(async () => (await at.status()).length === 0, 'the process ends')
  })

  it('serves a line of /etc/fstab', limit, async () => {
    const table = join(at.folder, 'fstab')
    writeFileSync(
      table,
      `${at.source} ${at.mountpoint} hawser nofail,x-test=1,noatime,user,log_level=debug 0 0\n`,
    )
    const { code, stdout, stderr } = await inside(
      `mount -T ${table} -a
       cat ${at.path('hello')}
       umount ${at.mountpoint}`,
    )
    assert.equal(code, 0, stderr)
    assert.equal(stdout, 'hello, world\n')
  })

  it('fails with 32 and one line', limit, async () => {
    const { code, stderr } = await inside(`mount -t hawser ${at.source} ${at.mountpoint} -o frobnicate`)
    assert.equal(code, 32)
    assert.match(stderr, /^mount\.hawser: -o: unknown option 'frobnicate'[^\n]*\n$/)
  })

  it('does not mind a namespace that ends before its mount', limit, async () => {
    const { code } = await inside(`mount -t hawser ${at.source} ${at.mountpoint}`)
    assert.equal(code, 0)
    const [{ pid }] = await at.status()
    assert.ok(isServer(pid))
    assert.equal((await at.hawser('umount', '--force', at.mountpoint)).code, 0)
    await until(() => !isServer(pid), 'the process ends')
  })
})
