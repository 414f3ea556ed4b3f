import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checked } from '../errors.js'
import { native, sys } from '../native.js'
import { openFuse } from './descriptors.js'
import {
  abortConnection,
  connectionOf,
  findMount,
  openDevice,
  probeMount,
  readMounts,
  recoverDeadMount,
} from './index.js'
import {
  fuseError,
  mountPointIn,
  needsRoot,
  opened,
  run,
  served,
  startChild,
} from './isolation.test.support.js'
import { serve } from './server.test.support.js'
import { cString, ownThread } from './system.js'

/** Milliseconds to wait for what never answers. */
const SHORT = 200

test('alive, hung and dead; not mounted', needsRoot, async (t) => {
  const path = mountPointIn(t)
  assert.equal(await probeMount(path), 'not-mounted')
  assert.equal(await probeMount(`${path}/none`), 'not-mounted')
  const { device, server } = await served(t, { mountpoint: path })
  assert.equal(await probeMount(path), 'alive')
  server.stop()
  assert.equal(await probeMount(path, SHORT), 'hung')
  device.close()
  assert.equal(await probeMount(path), 'dead')
  await device.unmount('clean')
  assert.equal(await probeMount(path), 'not-mounted')
})

test('a mount that never answered INIT hangs, and is dead when aborted', needsRoot, async (t) => {
  const path = mountPointIn(t)
  const device = await opened(t, { mountpoint: path, how: 'mount' })
  assert.equal(await probeMount(path, SHORT), 'hung')
  abortConnection(device.connection() as number)
  assert.equal(await probeMount(path), 'dead')
})

test('attributes that the kernel keeps are no sign of life', needsRoot, async (t) => {
  const path = mountPointIn(t)
  const { device, server } = await served(t, { mountpoint: path }, { attrTimeout: 1e6 })
  assert.equal((await run('stat', '-c', '%i', path)).status, 0)
  server.stop()
  assert.equal((await run('stat', '-c', '%i', path)).status, 0, 'answered by the kernel')
  assert.equal(await probeMount(path, SHORT), 'hung')
  device.close()
  assert.equal(await probeMount(path), 'dead')
})

test("a user's private mount, which even root may not enter", needsRoot, async (t) => {
  const path = mountPointIn(t)
  const fd = openFuse()
  const texts = ['fuse', path, `fd=${fd},rootmode=40000,user_id=64001,group_id=64002`].map(cString)
  const [type, target, data] = texts.map((text) => native.address(text))
  checked(await ownThread(texts, sys.mount, type, target, type, 0, data))
  const server = serve(fd)
  t.after(() => server.stop())
  assert.match((await run('stat', path)).output, /Permission denied/)
  assert.equal(await probeMount(path), 'alive')
  server.stop()
  assert.equal(await probeMount(path, SHORT), 'hung')
  native.syscall(sys.close, fd)
  assert.equal(await probeMount(path), 'dead')
})

test('the loop runs while a probe waits', needsRoot, async (t) => {
  const path = mountPointIn(t)
  await opened(t, { mountpoint: path, how: 'mount' })
  let turns = 0
  const timer = setInterval(() => turns++, 1)
  assert.equal(await probeMount(path, SHORT), 'hung')
  clearInterval(timer)
  assert.ok(turns > 1)
})

test('dead mounts are recovered, however many lie there', needsRoot, async (t) => {
  const path = mountPointIn(t)
  assert.equal(await recoverDeadMount(path), false)
  const below = await served(t, { mountpoint: path })
  assert.equal((await run('mount', '--bind', path, path)).status, 0)
  below.server.stop()
  below.device.close()
  assert.equal(readMounts().filter(({ mountPoint }) => mountPoint === path).length, 2)
  assert.equal(await recoverDeadMount(path), true)
  assert.equal(findMount(path), undefined)
})

test('after kill -9 of a server the same mount point serves again', needsRoot, async (t) => {
  const mountpoint = mountPointIn(t)
  for (const how of ['fsopen', 'mount'] as const) {
    const child = startChild(t, { mountpoint, how })
    assert.equal((await child.next()).how, how)
    await child.kill()
    assert.match((await run('stat', mountpoint)).output, /not connected/)
    const { device } = await served(t, { mountpoint })
    assert.equal((await run('stat', '-c', '%i', mountpoint)).output, '1')
    assert.equal(readMounts().filter(({ mountPoint }) => mountPoint === mountpoint).length, 1)
    await device.unmount('clean')
  }
})

test('a living mount is never mounted over, nor a hung one', needsRoot, async (t) => {
  const mountpoint = mountPointIn(t)
  const { device, server } = await served(t, { mountpoint, subtype: 'first' })
  const already = fuseError('FUSE_MOUNTPOINT', /is already mounted \(fuse\.first\)$/)
  await assert.rejects(openDevice({ mountpoint }), already)
  await assert.rejects(recoverDeadMount(mountpoint), already)
  server.stop()
  const hung = fuseError('FUSE_MOUNTPOINT', /already mounted.*does not answer; unmount it by force/)
  await assert.rejects(openDevice({ mountpoint }), hung)
  assert.equal(connectionOf(findMount(mountpoint)!), device.connection())
})

test('another kind of mount at the mount point is no obstacle', needsRoot, async (t) => {
  const mountpoint = mountPointIn(t)
  assert.equal((await run('mount', '-t', 'tmpfs', 'hawser-test', mountpoint)).status, 0)
  const { device } = await served(t, { mountpoint })
  await device.unmount('clean')
  assert.equal(findMount(mountpoint)?.type, 'tmpfs')
})
