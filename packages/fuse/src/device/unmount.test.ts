import assert from 'node:assert/strict'
import { existsSync, mkdirSync, renameSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { constants, errno } from '../native.js'
import { Opcode } from '../protocol/index.js'
import { statFromServer } from './identity.js'
import { abortConnection, findMount, readMounts, unmountAt } from './index.js'
import {
  fuseError,
  hold,
  mountPointIn,
  needsRoot,
  opened,
  run,
  served,
  startChild,
} from './isolation.test.support.js'
import { serve } from './server.test.support.js'

async function tmpfs(path: string): Promise<void> {
  assert.equal((await run('mount', '-t', 'tmpfs', 'hawser-test', path)).status, 0)
}

test(
  'clean is refused while in use; lazy detaches; the connection ends with its last user',
  needsRoot,
  async (t) => {
    const path = mountPointIn(t)
    const { device, server } = await served(t, { mountpoint: path })
    assert.equal(device.state(), 'mounted')
    const held = await hold(t, path)
    const refused = fuseError('FUSE_UNMOUNT', /is in use/)
    await assert.rejects(device.unmount('clean'), refused)
    await assert.rejects(unmountAt(path, 'clean'), refused)
    assert.ok(findMount(path))
    await device.unmount('lazy')
    assert.equal(findMount(path), undefined)
    assert.equal(device.state(), 'detached')
    assert.equal(await statFromServer(held.fd), constants.S_IFDIR, 'it still serves')
    await held.release()
    assert.equal(await server.ended, errno.ENODEV)
    assert.equal(device.state(), 'ended')
  },
)

test('a mount that lives on in another place is detached, whoever unmounts it', needsRoot, async (t) => {
  const path = mountPointIn(t)
  const { device, server } = await served(t, { mountpoint: path })
  const other = mountPointIn(t)
  assert.equal((await run('mount', '--bind', path, other)).status, 0)
  assert.equal((await run('umount', path)).status, 0)
  assert.equal(device.state(), 'detached')
  await device.unmount('clean')
  assert.equal((await run('stat', '-c', '%i', other)).output, '1')
  assert.equal((await run('umount', other)).status, 0)
  assert.equal(await server.ended, errno.ENODEV)
  assert.equal(device.state(), 'ended')
})

for (const mode of ['clean', 'lazy', 'force'] as const) {
  test(`unmountAt ${mode}: a mount that is served`, needsRoot, async (t) => {
    const path = mountPointIn(t)
    const { server, device } = await served(t, { mountpoint: path })
    await unmountAt(path, mode)
    assert.equal(findMount(path), undefined)
    assert.equal(await server.ended, mode === 'force' ? errno.ECONNABORTED : errno.ENODEV)
    await device.unmount(mode)
  })

  test(`unmountAt ${mode}: a mount whose server is gone`, needsRoot, async (t) => {
    const path = mountPointIn(t)
    const { device, server } = await served(t, { mountpoint: path })
    server.stop()
    device.close()
    assert.match((await run('stat', path)).output, /not connected/)
    await unmountAt(path, mode)
    assert.equal(findMount(path), undefined)
  })

  test(`unmountAt ${mode}: a mount that never answered INIT`, needsRoot, async (t) => {
    const path = mountPointIn(t)
    await opened(t, { mountpoint: path, how: 'mount' })
    await unmountAt(path, mode)
    assert.equal(findMount(path), undefined)
  })
}

test('force frees those who wait for a server that hangs', needsRoot, async (t) => {
  const path = mountPointIn(t)
  const device = await opened(t, { mountpoint: path, how: 'mount' })
  const server = serve(device.fd, { ignore: Opcode.GETATTR })
  t.after(() => server.stop())
  const { fd } = await hold(t, path)
  const waiting = assert.rejects(statFromServer(fd), { code: 'ECONNABORTED' })
  await server.ignored
  await device.unmount('force')
  await waiting
  assert.equal(findMount(path), undefined)
})

test(
  'force on a mount that has ended spares the one that got its connection number',
  needsRoot,
  async (t) => {
    // Another process may take the number in between: then once more.
    for (let attempts = 0; attempts < 50; attempts++) {
      const earlier = await served(t, { mountpoint: mountPointIn(t) })
      await unmountAt(earlier.device.mountpoint, 'clean')
      await earlier.server.ended
      const path = mountPointIn(t)
      const later = await served(t, { mountpoint: path })
      const same = later.device.connection() === earlier.device.connection()
      if (same) {
        await earlier.device.unmount('force')
        assert.equal((await run('stat', '-c', '%i', path)).output, '1')
      }
      await later.device.unmount('clean')
      if (same) return
    }
    assert.fail('the number was never used again')
  },
)

test('force frees the self-test of a server that hangs', needsRoot, async (t) => {
  const path = mountPointIn(t)
  const device = await opened(t, { mountpoint: path })
  const attaching = assert.rejects(device.attach(), fuseError('FUSE_MOUNT', /does not answer/))
  await device.unmount('force')
  await attaching
  assert.equal(findMount(path), undefined)
})

test('force on a hung mount of another process', needsRoot, async (t) => {
  const path = mountPointIn(t)
  const child = startChild(t, { mountpoint: path, how: 'mount', hang: true })
  assert.equal((await child.next()).how, 'mount')
  const { fd } = await hold(t, path)
  const waiting = assert.rejects(statFromServer(fd), { code: /^(ENOTCONN|ECONNABORTED)$/ })
  await unmountAt(path, 'force')
  await waiting
  assert.equal(findMount(path), undefined)
})

test(
  'aborting works without a mounted fusectl, leaves none behind, and once is enough',
  needsRoot,
  async (t) => {
    const path = mountPointIn(t)
    const control = '/sys/fs/fuse/connections'
    const withoutControl = async () => {
      while (findMount(control)) assert.equal((await run('umount', control)).status, 0)
    }
    await withoutControl()
    const first = await served(t, { mountpoint: path })
    const number = first.device.connection() as number
    abortConnection(number)
    assert.equal(await first.server.ended, errno.ECONNABORTED)
    assert.ok(!readMounts().some(({ type }) => type === 'fusectl'))
    // A number that is free may be another's a moment later: a second time only while it is still ours.
    abortConnection(number)
    await first.device.unmount('clean')
    abortConnection(2 ** 19)

    assert.equal((await run('mount', '-t', 'fusectl', 'fusectl', control)).status, 0)
    const second = await served(t, { mountpoint: path })
    assert.ok(existsSync(join(control, String(second.device.connection()))))
    abortConnection(second.device.connection() as number)
    assert.equal(await second.server.ended, errno.ECONNABORTED)
    abortConnection(second.device.connection() as number)
    await second.device.unmount('lazy')
    assert.throws(() => abortConnection(-1), fuseError('FUSE_UNMOUNT', /no connection number/))
  },
)

test('what is not ours to unmount', needsRoot, async (t) => {
  const path = mountPointIn(t)
  await assert.rejects(unmountAt(path, 'lazy'), fuseError('FUSE_UNMOUNT', /is not mounted$/))
  await assert.rejects(unmountAt(join(path, 'none'), 'lazy'), fuseError('FUSE_UNMOUNT', /is not mounted$/))
  await tmpfs(path)
  await assert.rejects(unmountAt(path, 'lazy'), fuseError('FUSE_UNMOUNT', /type tmpfs, not FUSE/))
  assert.ok(findMount(path))
})

test('a device unmounts its own mount only: not one over it', needsRoot, async (t) => {
  const path = mountPointIn(t)
  const { device } = await served(t, { mountpoint: path })
  await tmpfs(path)
  await assert.rejects(device.unmount('lazy'), fuseError('FUSE_UNMOUNT', /mounted over/))
  assert.equal(findMount(path)?.type, 'tmpfs')
  assert.equal((await run('umount', path)).status, 0)
  await device.unmount('clean')
  assert.equal(findMount(path), undefined)
})

test('a device unmounts its own mount only: not the one that came after', needsRoot, async (t) => {
  const path = mountPointIn(t)
  const first = await served(t, { mountpoint: path })
  await unmountAt(path, 'clean')
  const second = await served(t, { mountpoint: path })
  for (const mode of ['lazy', 'force'] as const) await first.device.unmount(mode)
  assert.equal(findMount(path)?.minor, second.device.connection())
  assert.equal((await run('stat', '-c', '%i', path)).output, '1')
})

test('a device finds its mount where its parent has been renamed to', needsRoot, async (t) => {
  const path = join(mountPointIn(t), 'inner')
  mkdirSync(path)
  const { device } = await served(t, { mountpoint: path })
  const renamed = `${dirname(path)}-renamed`
  renameSync(dirname(path), renamed)
  assert.ok(findMount(join(renamed, 'inner')))
  await device.unmount('clean')
  assert.equal(findMount(join(renamed, 'inner')), undefined)
})
