import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { constants, errno, native, sys } from '../native.js'
import { Opcode } from '../protocol/index.js'
import { findMount, type MountEntry, openDevice, probeMount } from './index.js'
import {
  fuseError,
  mountPointIn,
  needsRoot,
  opened,
  run,
  served,
  startChild,
  temporaryDirectory,
} from './isolation.test.support.js'
import { serve } from './server.test.support.js'

test('root mounts detached: the mount point is untouched until the root answers', needsRoot, async (t) => {
  const path = mountPointIn(t)
  writeFileSync(join(path, 'beneath'), '')
  const device = await opened(t, { mountpoint: path, subtype: 'tested' })
  assert.equal(device.how, 'fsopen')
  assert.equal(device.mountpoint, path)
  assert.equal(findMount(path), undefined)
  const flags = native.syscall(sys.fcntl, device.fd, constants.F_GETFL, 0)
  assert.equal(flags & constants.O_NONBLOCK, constants.O_NONBLOCK)
  assert.equal(native.syscall(sys.fcntl, device.fd, constants.F_GETFD, 0), constants.FD_CLOEXEC)

  const server = serve(device.fd)
  t.after(() => server.stop())
  await server.ready
  assert.equal(findMount(path), undefined)
  assert.ok(!server.seen.has(Opcode.GETATTR))
  await device.attach()
  assert.ok(server.seen.has(Opcode.GETATTR), 'the self-test asks for the root')
  const entry = findMount(path) as MountEntry
  assert.equal(entry.type, 'fuse.tested')
  assert.equal(entry.source, 'tested')
  assert.equal(entry.minor, device.connection())
  assert.equal((await run('stat', '-c', '%i %F', path)).output, '1 directory')

  await device.unmount('clean')
  assert.equal(await server.ended, errno.ENODEV)
  assert.equal(findMount(path), undefined)
  assert.equal((await run('ls', path)).output, 'beneath')
  await device.unmount('clean')
})

test('a root that does not answer is never attached', needsRoot, async (t) => {
  const path = mountPointIn(t)
  const device = await opened(t, { mountpoint: path })
  const server = serve(device.fd, { getattrError: errno.EIO })
  t.after(() => server.stop())
  await server.ready
  await assert.rejects(device.attach(), fuseError('FUSE_MOUNT', /does not answer for its root: EIO/))
  assert.equal(findMount(path), undefined)
  assert.equal(await server.ended, errno.ENODEV)
  await device.unmount('clean')
})

test('a detached mount ends with its device, attached or not, asked or not', needsRoot, async (t) => {
  const path = mountPointIn(t)
  const device = await opened(t, { mountpoint: path })
  const server = serve(device.fd)
  t.after(() => server.stop())
  await server.ready
  await device.unmount('force')
  assert.equal(await server.ended, errno.ECONNABORTED)
  await assert.rejects(device.attach(), fuseError('FUSE_CLOSED', /given up/))
  const unread = await opened(t, { mountpoint: path })
  unread.close()
  unread.close()
})

const ways = ['fsopen', 'mount'] as const
for (const how of ways) {
  test(`${how}: options reach the kernel`, needsRoot, async (t) => {
    const mountpoint = mountPointIn(t, 'a b,c\\d')
    const fsname = 'host:/a,b\\c d#e\nf=ü'
    const all = { allowOther: true, defaultPermissions: true, maxRead: 65536, readOnly: true }
    const mountFlags = { noexec: true, noatime: true, nodiratime: true, sync: true, dirsync: true }
    const { device } = await served(t, { mountpoint, how, fsname, subtype: 'x.y-z', ...all, mountFlags })
    assert.equal(device.how, how)
    const entry = findMount(mountpoint) as MountEntry
    assert.equal(entry.source, fsname)
    assert.equal(entry.type, 'fuse.x.y-z')
    for (const flag of ['ro', 'nosuid', 'nodev', 'noexec', 'noatime', 'nodiratime']) {
      assert.ok(entry.options.includes(flag), flag)
    }
    for (const option of ['ro', 'sync', 'dirsync', 'allow_other', 'default_permissions', 'max_read=65536']) {
      assert.ok(entry.superOptions.includes(option), option)
    }
    await device.unmount('clean')

    const plain = { dev: true, suid: true, strictatime: true }
    const second = await served(t, { mountpoint, how, mountFlags: plain })
    const { options, superOptions, source, type } = findMount(mountpoint) as MountEntry
    assert.deepEqual(options, ['rw'])
    assert.deepEqual(superOptions, ['rw', 'user_id=0', 'group_id=0'])
    assert.deepEqual([source, type], ['fuse', 'fuse'])
    await second.device.unmount('clean')
  })

  test(`${how}: the root may be a file`, needsRoot, async (t) => {
    const directory = temporaryDirectory(t)
    const path = join(directory, 'file')
    writeFileSync(path, 'beneath')
    const rootType = constants.S_IFREG
    const { device } = await served(t, { mountpoint: path, how, rootMode: rootType | 0o644 }, { rootType })
    assert.equal((await run('stat', '-c', '%F', path)).output, 'regular empty file')
    await device.unmount('clean')
    assert.equal((await run('cat', path)).output, 'beneath')
  })
}

for (const deny of [
  { call: 'fsopen', errno: errno.ENOSYS },
  { call: 'fsopen', errno: errno.EPERM },
  { call: 'fsmount', errno: errno.EPERM },
] as const) {
  test(`mount(2) where ${deny.call} fails with errno ${deny.errno}`, needsRoot, async (t) => {
    const mountpoint = mountPointIn(t)
    const child = startChild(t, { mountpoint, deny })
    const { how, connection } = await child.next()
    assert.equal(how, 'mount')
    assert.equal(findMount(mountpoint)?.minor, connection)
    assert.equal((await run('stat', '-c', '%i', mountpoint)).output, '1')
    child.process.stdin?.write('clean\n')
    assert.deepEqual(await child.next(), {})
    assert.equal(findMount(mountpoint), undefined)
  })
}

test('a source too long for fsconfig is mounted by mount(2)', needsRoot, async (t) => {
  const mountpoint = mountPointIn(t)
  const { device } = await served(t, { mountpoint, fsname: 'x'.repeat(256) })
  assert.equal(device.how, 'mount')
  assert.equal(findMount(mountpoint)?.source.length, 256)
})

test('a mount point by a symbolic link or from the working directory', needsRoot, async (t) => {
  const path = mountPointIn(t)
  const link = `${path}-link`
  symlinkSync(path, link)
  const { device } = await served(t, { mountpoint: link })
  assert.equal(device.mountpoint, path)
  assert.equal(await probeMount(link), 'alive')
  assert.equal(await probeMount(path), 'alive')
})

test('mount points that cannot be used, in one line', needsRoot, async (t) => {
  const directory = temporaryDirectory(t)
  const file = join(directory, 'file')
  writeFileSync(file, '')
  const loop = join(directory, 'loop')
  symlinkSync(loop, loop)
  const reject = (mountpoint: string, message: RegExp, rootMode?: number) =>
    assert.rejects(openDevice({ mountpoint, rootMode }), fuseError('FUSE_MOUNTPOINT', message))
  await reject(join(directory, 'none'), /none does not exist$/)
  await reject(file, /file is not a directory$/)
  await reject(directory, /is not a regular file$/, constants.S_IFREG)
  await reject(join(file, 'below'), /lies below something that is no directory$/)
  await reject(loop, /loop has too many symbolic links$/)
  await reject('', /must be a path/)
})

test('options that cannot be used', needsRoot, async () => {
  const reject = (options: object, message: RegExp) =>
    assert.rejects(openDevice({ mountpoint: '/', ...options }), fuseError('FUSE_OPTION', message))
  await reject({ fsname: 'a\0b' }, /fsname/)
  await reject({ fsname: '' }, /fsname/)
  await reject({ subtype: 'a,b' }, /subtype 'a,b'/)
  await reject({ subtype: 'a\\b' }, /subtype/)
  await reject({ maxRead: -1 }, /max_read -1/)
  await reject({ maxRead: 2 ** 32 }, /max_read/)
  await reject({ rootMode: constants.S_IFLNK }, /root must be/)
  await reject({ mountFlags: { suid: true, nosuid: true } }, /suid and nosuid/)
})

test('two mounts at once have nothing in common', needsRoot, async (t) => {
  const directory = temporaryDirectory(t)
  const [a, b] = ['a', 'b'].map((name) => join(directory, name))
  for (const path of [a, b]) mkdirSync(path)
  const [first, second] = await Promise.all([served(t, { mountpoint: a }), served(t, { mountpoint: b })])
  assert.notEqual(first.device.connection(), second.device.connection())
  await first.device.unmount('clean')
  assert.equal((await run('stat', '-c', '%i', b)).output, '1')
})
