// Opening: what another process's lease, another file under the name, or a large file to be emptied means for it.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { constants as c, Peer, posix } from '@hawser/test-kit'
import { needsRoot, run, Workspace } from '../test-support/workspace.js'

// fcntl(2), linux/fcntl.h
const F_SETLEASE = 1024
const F_WRLCK = 1
const F_UNLCK = 2
/** Less than the kernel waits before it breaks a lease (fs.lease-break-time, 45), more than any machine needs. */
const SECONDS = '20'

test('a lease keeps its file waiting, nothing else; who waits can be interrupted', needsRoot, async (t) => {
  const place = new Workspace(t)
  const source = place.tmpfs()
  writeFileSync(join(source, 'leased'), 'content')
  writeFileSync(join(source, 'other'), 'other')
  const { mountpoint } = await place.serve(source, { cache: 'never' })
  const fd = posix.open(join(source, 'leased'), c.O_RDWR)
  t.after(() => posix.close(fd))
  // A break is told by a signal, which would end this process.
  const asked = once(process, 'SIGIO')
  assert.equal(posix.fcntl(fd, F_SETLEASE, F_WRLCK), 0)
  const impatient = spawn('cat', [join(mountpoint, 'leased')], { stdio: 'ignore' })
  t.after(() => impatient.kill('SIGKILL'))
  await asked
  const patient = spawn('cat', [join(mountpoint, 'leased')], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => patient.kill('SIGKILL'))
  let text = ''
  patient.stdout.on('data', (data) => {
    text += data
  })
  assert.equal(run('timeout', SECONDS, 'cat', join(mountpoint, 'other')), 'other')
  impatient.kill('SIGTERM')
  await once(impatient, 'close')
  assert.equal(text, '')
  const ended = once(patient, 'close')
  assert.equal(posix.fcntl(fd, F_SETLEASE, F_UNLCK), 0)
  assert.deepEqual(await ended, [0, null])
  assert.equal(text, 'content')
})

for (const passthrough of ['off', 'auto'] as const)
  test(
    `O_TRUNC empties a large file, and its set-id bits go; passthrough=${passthrough}`,
    needsRoot,
    async (t) => {
      const place = new Workspace(t)
      const source = place.tmpfs()
      const beneath = join(source, 'large')
      const { mountpoint } = await place.serve(source, { allowOther: true, passthrough })
      const peer = await Peer.start({ uid: 64001, gid: 64001, groups: [] })
      t.after(() => peer.kill())
      for (const size of [1, 4 << 20]) {
        writeFileSync(beneath, Buffer.alloc(size, 1))
        chownSync(beneath, 64001, 64001)
        chmodSync(beneath, 0o6755)
        const fd = await peer.sys.open(join(mountpoint, 'large'), c.O_WRONLY | c.O_TRUNC)
        assert.equal(statSync(beneath).size, 0)
        assert.equal(statSync(beneath).mode & 0o7777, 0o755)
        assert.equal(await peer.sys.write(fd, 'new'), 3)
        assert.equal(await peer.sys.close(fd), 0)
        assert.equal(statSync(beneath).size, 3)
      }
    },
  )

test(
  'a name that leads to another file beneath never opens that one for the file that was known',
  needsRoot,
  async (t) => {
    const place = new Workspace(t)
    const source = place.tmpfs()
    writeFileSync(join(source, 'name'), 'first')
    const { mountpoint } = await place.serve(source, { cache: 'always' })
    // Keeps the kernel's inode, and its node, without a file that is open.
    const held = posix.open(join(mountpoint, 'name'), c.O_PATH)
    t.after(() => posix.close(held))
    writeFileSync(join(source, 'second'), 'second')
    renameSync(join(source, 'name'), join(source, 'elsewhere'))
    renameSync(join(source, 'second'), join(source, 'name'))
    const fd = posix.open(`/proc/self/fd/${held}`, c.O_RDONLY)
    assert.equal(String(posix.read(fd, 100)), 'first')
    posix.close(fd)
  },
)
