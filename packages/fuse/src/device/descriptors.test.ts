import assert from 'node:assert/strict'
import { openSync, readdirSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { constants, errno, native, sys } from '../native.js'
import { socketPair } from './descriptors.js'
import { cloneDevice, findMount, openDevice, receiveDevice, sendDevice } from './index.js'
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

const close = (fd: number) => native.syscall(sys.close, fd)
const openDescriptors = () => readdirSync('/proc/self/fd').length

function sockets(t: TestContext): [number, number] {
  const pair = socketPair()
  t.after(() => pair.forEach(close))
  return pair
}

test('/dev/fd/N: a child serves what its parent mounted, and does not unmount it', needsRoot, async (t) => {
  const path = mountPointIn(t)
  const device = await opened(t, { mountpoint: path, how: 'mount' })
  const child = startChild(t, { mountpoint: '/dev/fd/3' }, { fds: [device.fd] })
  assert.deepEqual(await child.next(), { how: 'descriptor', connection: device.connection() })
  device.close()
  assert.equal((await run('stat', '-c', '%i', path)).output, '1')
  child.process.stdin?.write('force\n')
  assert.deepEqual(await child.next(), {})
  assert.equal((await run('stat', '-c', '%i', path)).output, '1')
  await child.kill()
  assert.match((await run('stat', path)).output, /not connected/)
})

test('a given descriptor becomes non-blocking and close-on-exec', needsRoot, async (t) => {
  const fd = openSync('/dev/fuse', 'r+')
  t.after(() => close(fd))
  native.syscall(sys.fcntl, fd, constants.F_SETFD, 0)
  const device = await openDevice({ mountpoint: `/dev/fd/${fd}` })
  assert.equal(device.fd, fd)
  assert.equal(device.mountpoint, `/dev/fd/${fd}`)
  assert.equal(device.state(), 'ended', 'nobody has mounted it')
  assert.ok(native.syscall(sys.fcntl, fd, constants.F_GETFL, 0) & constants.O_NONBLOCK)
  assert.equal(native.syscall(sys.fcntl, fd, constants.F_GETFD, 0), constants.FD_CLOEXEC)
})

test('given descriptors that cannot be served', needsRoot, async () => {
  await assert.rejects(
    openDevice({ mountpoint: '/dev/fd/0' }),
    fuseError('FUSE_DEVICE', /0 is not \/dev\/fuse/),
  )
  const closed = openSync('/dev/null', 'r')
  close(closed)
  const mountpoint = `/dev/fd/${closed}`
  await assert.rejects(openDevice({ mountpoint }), fuseError('FUSE_DEVICE', /is not (open|\/dev\/fuse)/))
})

test('one descriptor over a socket, waited for', needsRoot, async (t) => {
  const path = mountPointIn(t)
  const [ours, theirs] = sockets(t)
  const receiving = receiveDevice(theirs)
  const device = await opened(t, { mountpoint: path, how: 'mount' })
  sendDevice(ours, [device.fd])
  device.close()
  const [fd, ...more] = await receiving
  t.after(() => close(fd))
  assert.deepEqual(more, [])
  const server = serve(fd)
  t.after(() => server.stop())
  assert.equal((await run('stat', '-c', '%i', path)).output, '1')
})

test('waiting for a descriptor can be given up', needsRoot, async (t) => {
  const [, theirs] = sockets(t)
  const controller = new AbortController()
  const receiving = receiveDevice(theirs, controller.signal)
  controller.abort()
  await assert.rejects(receiving, { name: 'AbortError' })
  await assert.rejects(receiveDevice(theirs, controller.signal), { name: 'AbortError' })
})

test('several descriptors over a socket: clones of one mount', needsRoot, async (t) => {
  const path = mountPointIn(t)
  const [ours, theirs] = sockets(t)
  const { device, server } = await served(t, { mountpoint: path })
  const clones = [cloneDevice(device.fd), cloneDevice(device.fd)]
  sendDevice(ours, [device.fd, ...clones])
  for (const fd of clones) close(fd)
  const fds = await receiveDevice(theirs)
  t.after(() => fds.forEach(close))
  assert.equal(fds.length, 3)
  for (const fd of fds) {
    assert.equal(native.syscall(sys.fcntl, fd, constants.F_GETFD, 0), constants.FD_CLOEXEC)
    assert.ok(native.syscall(sys.fcntl, fd, constants.F_GETFL, 0) & constants.O_NONBLOCK)
  }
  // Only a clone answers from here on.
  server.stop()
  const clone = serve(fds[2])
  t.after(() => clone.stop())
  assert.equal((await run('stat', '-c', '%i', path)).output, '1')
  assert.ok(clone.seen.size > 0)
  await device.unmount('clean')
  assert.equal(await clone.ended, errno.ENODEV)
})

test('what is no device is refused, and everything that came is closed', needsRoot, async (t) => {
  const [ours, theirs] = sockets(t)
  const fuse = openSync('/dev/fuse', 'r+')
  const other = openSync('/dev/zero', 'r+')
  const before = openDescriptors()
  sendDevice(ours, [fuse, other])
  await assert.rejects(receiveDevice(theirs), fuseError('FUSE_DEVICE', /is not \/dev\/fuse/))
  assert.equal(openDescriptors(), before)
  for (const fd of [fuse, other]) close(fd)
  native.syscall(sys.write, ours, native.address(Buffer.from('x')), 1)
  await assert.rejects(receiveDevice(theirs), fuseError('FUSE_DEVICE', /carries no descriptor/))
  const [left, right] = socketPair()
  close(left)
  await assert.rejects(receiveDevice(right), fuseError('FUSE_DEVICE', /closed before/))
  close(right)
  assert.throws(() => sendDevice(right, [0]), fuseError('FUSE_DEVICE', /EBADF/))
})

test('an unmounted descriptor has no clones', needsRoot, (t) => {
  const fd = openSync('/dev/fuse', 'r+')
  t.after(() => close(fd))
  const before = openDescriptors()
  assert.throws(() => cloneDevice(fd), fuseError('FUSE_DEVICE', /cannot clone/))
  assert.equal(openDescriptors(), before)
})

test('mounts leave no descriptor behind', needsRoot, async (t) => {
  const path = mountPointIn(t)
  // The first mount starts what stays, such as the offload's.
  for (const how of ['fsopen', 'mount', 'fsopen', 'mount'] as const) {
    const before = openDescriptors()
    const { device, server } = await served(t, { mountpoint: path, how })
    await device.unmount('clean')
    await server.ended
    device.close()
    assert.equal(findMount(path), undefined)
    assert.equal(openDescriptors(), before, how)
  }
})
