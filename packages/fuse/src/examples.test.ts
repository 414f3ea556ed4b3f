import assert from 'node:assert/strict'
import { readdirSync, readFileSync, readlinkSync, realpathSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { findMount } from './device/index.js'
import { hold, mountPointIn, needsRoot, temporaryDirectory } from './device/isolation.test.support.js'
import { pathOfExample, saysMounted, startExample } from './examples.test.support.js'

/** What hello shows, wherever its root directory is. */
function checkHello(mountpoint: string): void {
  assert.deepEqual(readdirSync(mountpoint).sort(), ['docs', 'hello.txt'])
  assert.equal(readFileSync(join(mountpoint, 'hello.txt'), 'utf8'), 'Hello, world!\n')
  assert.equal(readlinkSync(join(mountpoint, 'docs/latest.txt')), '../hello.txt')
  assert.equal(readFileSync(join(mountpoint, 'docs/latest.txt'), 'utf8'), 'Hello, world!\n')
  assert.equal(statSync(join(mountpoint, 'hello.txt')).mode, 0o100444)
  assert.throws(() => writeFileSync(join(mountpoint, 'new'), ''), { code: 'EROFS' })
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`hello serves its file and unmounts on ${signal}`, needsRoot, async (t) => {
    const mountpoint = mountPointIn(t)
    const hello = await startExample(t, 'hello', mountpoint)
    checkHello(mountpoint)
    assert.equal(findMount(mountpoint)?.source, 'hello')
    hello.process.kill(signal)
    assert.deepEqual(await hello.ended, { code: 0, signal: null, stderr: '' })
    assert.equal(findMount(mountpoint), undefined)
  })
}

test('a signal detaches a mount in use, which is served to the end', needsRoot, async (t) => {
  const mountpoint = mountPointIn(t)
  const hello = await startExample(t, 'hello', mountpoint)
  const held = await hold(t, join(mountpoint, 'docs'))
  hello.process.kill('SIGTERM')
  while (findMount(mountpoint)) await new Promise((resolve) => setTimeout(resolve, 5))
  assert.equal(readFileSync(`/proc/self/fd/${held.fd}/../hello.txt`, 'utf8'), 'Hello, world!\n')
  assert.equal(hello.process.exitCode, null)
  await held.release()
  assert.deepEqual(await hello.ended, { code: 0, signal: null, stderr: '' })
})

test('a second signal fails the requests of those who still use the mount', needsRoot, async (t) => {
  const mountpoint = mountPointIn(t)
  const hello = await startExample(t, 'hello', mountpoint)
  const held = await hold(t, join(mountpoint, 'docs'))
  hello.process.kill('SIGTERM')
  while (findMount(mountpoint)) await new Promise((resolve) => setTimeout(resolve, 5))
  hello.process.kill('SIGTERM')
  assert.equal((await hello.ended).code, 0)
  assert.throws(() => readdirSync(`/proc/self/fd/${held.fd}`), { code: /ENOTCONN|ECONNABORTED/ })
})

/** As much of the test kit as is used here: it is no dependency of this package. */
interface UnprivilegedKit {
  openUnprivileged(): Promise<{
    directory: string
    initPid: number
    spawn(
      command: string,
      args: string[],
    ): { child: import('node:child_process').ChildProcess; ended: Promise<unknown>; kill(): Promise<boolean> }
    run(command: string, args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }>
    close(): Promise<void>
  }>
}

test('hello is mounted by a user without privileges', needsRoot, async (t) => {
  const kitPath = new URL('../../test-kit/dist/unprivileged.js', import.meta.url).href
  const { openUnprivileged } = (await import(kitPath)) as UnprivilegedKit
  const session = await openUnprivileged()
  t.after(() => session.close())
  const mountpoint = join(session.directory, 'mnt')
  assert.equal((await session.run('mkdir', [mountpoint])).code, 0)
  const hello = session.spawn(realpathSync(process.execPath), [pathOfExample('hello'), mountpoint])
  await saysMounted(hello.child, mountpoint)
  const listed = await session.run('sh', [
    '-c',
    `cat ${mountpoint}/hello.txt; id -u; stat -c %u ${mountpoint}/hello.txt`,
  ])
  assert.match(listed.stdout, /^Hello, world!\n(\d+)\n\1\n$/)
  const mounts = await session.run('cat', ['/proc/self/mounts'])
  assert.match(mounts.stdout, new RegExp(`^hello ${mountpoint} fuse .*user_id=[1-9]`, 'm'))
  await hello.kill()
  assert.deepEqual(await hello.ended, { code: 0, signal: null })
  assert.doesNotMatch((await session.run('cat', ['/proc/self/mounts'])).stdout, new RegExp(` ${mountpoint} `))
})

test('an example without a mount point says how it is called', needsRoot, async (t) => {
  temporaryDirectory(t)
  for (const name of ['hello', 'memory', 'http'])
    await assert.rejects(startExample(t, name), /"code":2,.*Usage: /)
})
