import assert from 'node:assert/strict'
import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { constants, errno } from '../native.js'
import { findMount, type MountEntry, probeMount, unmountAt } from './index.js'
import {
  type Child,
  hold,
  needsRoot,
  run,
  startChild,
  temporaryDirectory,
  watchRequests,
} from './isolation.test.support.js'

// A user who is not root, in this process's own mount namespace: with a /dev/fuse, an /etc/fuse.conf and an
// entry in /etc/passwd (where fusermount3 looks the user up) that the machine does not see.
const USER = 64001
const asUser = ['setpriv', '--reuid', `${USER}`, '--regid', `${USER}`, '--clear-groups', '--inh-caps=-all']

const SETUP = `
  mount -t tmpfs -o mode=755 hawser-test "$1"
  cd "$1"
  mknod -m 666 device c 10 229
  { cat /etc/passwd; echo "hawser-test:x:$2:$2::/:/bin/sh"; } >passwd
  : >fuse.conf
  mkdir package
  : >node
  mount --bind device /dev/fuse
  mount --bind passwd /etc/passwd
  mount --bind fuse.conf /etc/fuse.conf
  mount --bind "$3" package
  mount --bind "$4" node
`

interface World {
  directory: string
  /** A directory of the user's own. */
  mountpoint: string
  /** Starts child.test.support.ts as the user. */
  start(options: Omit<Parameters<typeof startChild>[1], 'mountpoint'> & { mountpoint?: string }): Child
}

async function world(t: TestContext): Promise<World> {
  const outer = temporaryDirectory(t)
  chmodSync(outer, 0o755)
  const directory = join(outer, 'world')
  mkdirSync(directory)
  t.after(async () => {
    for (const path of ['/dev/fuse', '/etc/passwd', '/etc/fuse.conf']) await run('umount', path)
  })
  const packageRoot = fileURLToPath(new URL('../../', import.meta.url))
  const setup = await run('sh', '-euc', SETUP, 'sh', directory, `${USER}`, packageRoot, process.execPath)
  assert.equal(setup.output, '')
  const mountpoint = join(directory, 'mnt')
  mkdirSync(mountpoint)
  chownSync(mountpoint, USER, USER)
  const node = join(directory, 'node')
  const program = join(directory, 'package/dist/device/child.test.support.js')
  const start: World['start'] = (options) =>
    startChild(t, { mountpoint, ...options }, { prefix: asUser, node, program })
  return { directory, mountpoint, start }
}

const stat = (path: string) => run('stat', '-c', '%i', path)
const userStat = (path: string) => run(asUser[0], ...asUser.slice(1), 'stat', '-c', '%i', path)

async function command(child: Child, mode: string): ReturnType<Child['next']> {
  child.process.stdin?.write(`${mode}\n`)
  return child.next()
}

test('a user mounts by fusermount3 and unmounts cleanly', needsRoot, async (t) => {
  const { start, mountpoint } = await world(t)
  const fsname = 'host:/a,b\\c d\\,e#f'
  const more = { maxRead: 65536, defaultPermissions: true, readOnly: true, mountFlags: { noexec: true } }
  const child = start({ fsname, subtype: 'tested', ...more })
  const { how, connection } = await child.next()
  assert.equal(how, 'fusermount3')
  const entry = findMount(mountpoint) as MountEntry
  assert.equal(entry.minor, connection)
  assert.equal(entry.type, 'fuse.tested')
  assert.equal(entry.source, fsname)
  for (const option of ['ro', 'nosuid', 'nodev', 'noexec']) assert.ok(entry.options.includes(option), option)
  for (const option of [`user_id=${USER}`, 'default_permissions', 'max_read=65536']) {
    assert.ok(entry.superOptions.includes(option), option)
  }
  assert.equal((await userStat(mountpoint)).output, '1')
  assert.match((await stat(mountpoint)).output, /Permission denied/)
  assert.equal(await probeMount(mountpoint), 'alive')
  assert.deepEqual(await command(child, 'clean'), {})
  assert.equal(findMount(mountpoint), undefined)
})

test('a user is refused a clean unmount while in use, and may detach', needsRoot, async (t) => {
  const { start, mountpoint } = await world(t)
  const child = start({})
  await child.next()
  await hold(t, mountpoint)
  const { code, message } = await command(child, 'clean')
  assert.equal(code, 'FUSE_UNMOUNT')
  assert.match(message as string, /is in use/)
  assert.ok(findMount(mountpoint))
  assert.deepEqual(await command(child, 'lazy'), {})
  assert.equal(findMount(mountpoint), undefined)
})

test('a user aborts a mount of theirs that hangs', needsRoot, async (t) => {
  const { start, mountpoint } = await world(t)
  const waiting = await watchRequests(t)
  const child = start({ hang: true })
  const { connection } = await child.next()
  await hold(t, mountpoint)
  assert.equal(waiting(connection as number), 1, 'INIT')
  assert.deepEqual(await command(child, 'force'), {})
  assert.equal(findMount(mountpoint), undefined)
  assert.equal(waiting(connection as number), 0)
})

test('allow_other is for root to permit', needsRoot, async (t) => {
  const { start, mountpoint, directory } = await world(t)
  const refused = await start({ allowOther: true }).next()
  assert.equal(refused.code, 'FUSE_OPTION')
  assert.match(refused.message as string, /^allow_other needs .*user_allow_other.*\/etc\/fuse\.conf.*$/)
  assert.equal(findMount(mountpoint), undefined)
  writeFileSync(join(directory, 'fuse.conf'), 'user_allow_other\n')
  assert.equal((await start({ allowOther: true }).next()).how, 'fusermount3')
  assert.equal((await stat(mountpoint)).output, '1')
})

test('a device that the user may not open', needsRoot, async (t) => {
  const { start, directory } = await world(t)
  chmodSync(join(directory, 'device'), 0o600)
  const closed = await start({}).next()
  assert.equal(closed.code, 'FUSE_DEVICE')
  assert.match(closed.message as string, /^\/dev\/fuse may not be opened by user 64001.*$/)
})

test('no fusermount3', needsRoot, async (t) => {
  const { start } = await world(t)
  const path = (await run('sh', '-c', 'command -v fusermount3')).output
  assert.equal((await run('mount', '--bind', '/dev/null', path)).status, 0)
  t.after(() => run('umount', path))
  const { code, message } = await start({}).next()
  assert.equal(code, 'FUSE_MOUNT')
  assert.match(message as string, /^a user mounts with fusermount3, which is not installed.*$/)
})

test('mount points and flags that a user may not use', needsRoot, async (t) => {
  const { start, directory } = await world(t)
  const foreign = join(directory, 'foreign')
  mkdirSync(foreign)
  const unwritable = await start({ mountpoint: foreign }).next()
  assert.equal(unwritable.code, 'FUSE_MOUNTPOINT')
  assert.match(unwritable.message as string, /foreign: .*no write access.*$/)
  const secret = join(directory, 'secret')
  mkdirSync(join(secret, 'inner'), { recursive: true })
  chmodSync(secret, 0o700)
  const unreachable = await start({ mountpoint: join(secret, 'inner') }).next()
  assert.equal(unreachable.code, 'FUSE_MOUNTPOINT')
  assert.match(unreachable.message as string, /inner cannot be reached by user 64001: permission denied$/)
  for (const mountFlags of [{ dev: true }, { suid: true }, { strictatime: true }]) {
    const { code, message } = await start({ mountFlags }).next()
    assert.equal(code, 'FUSE_OPTION')
    assert.match(message as string, /^(dev|suid|strictatime) needs root$/)
  }
})

test("a user's file as a mount point", needsRoot, async (t) => {
  const { start, directory } = await world(t)
  const mountpoint = join(directory, 'file')
  writeFileSync(mountpoint, 'beneath')
  chownSync(mountpoint, USER, USER)
  const rootMode = constants.S_IFREG
  const child = start({ mountpoint, rootMode, server: { rootType: rootMode } })
  assert.equal((await child.next()).how, 'fusermount3')
  assert.equal((await userStat(mountpoint)).output, '1')
  assert.deepEqual(await command(child, 'clean'), {})
})

test("a user's dead mount: root sees it, its user mounts again", needsRoot, async (t) => {
  const { start, mountpoint } = await world(t)
  const first = start({})
  await first.next()
  await first.kill()
  assert.equal(await probeMount(mountpoint), 'dead')
  const second = start({})
  assert.equal((await second.next()).how, 'fusermount3')
  assert.equal((await userStat(mountpoint)).output, '1')
  await second.kill()
  await unmountAt(mountpoint, 'clean')
  assert.equal(findMount(mountpoint), undefined)
})

for (const deny of [undefined, { call: 'fsopen', errno: errno.ENOSYS }] as const) {
  const how = deny ? 'mount' : 'fsopen'
  test(`root of a user namespace mounts by ${how}`, needsRoot, async (t) => {
    const { mountpoint } = await world(t)
    const prefix = ['unshare', '--user', '--map-root-user', '--mount']
    const child = startChild(t, { mountpoint, deny }, { prefix })
    assert.equal((await child.next()).how, how)
    assert.equal(findMount(mountpoint), undefined)
    assert.deepEqual(await command(child, 'clean'), {})
  })
}

test('root of a user namespace, who has no fusectl, aborts all the same', needsRoot, async (t) => {
  const { mountpoint } = await world(t)
  const prefix = ['unshare', '--user', '--map-root-user', '--mount']
  const child = startChild(t, { mountpoint, how: 'mount', hang: true }, { prefix })
  const { connection } = await child.next()
  // It does not see what is mounted from here on.
  const waiting = await watchRequests(t)
  await hold(t, `/proc/${child.process.pid}/root${mountpoint}`)
  assert.equal(waiting(connection as number), 1, 'INIT')
  assert.deepEqual(await command(child, 'force'), {})
  assert.equal(waiting(connection as number), 0)
})
