// Who makes a mount namespace copies every mount, and may keep the copies for ever: containers and services do.
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { Fixture, isServer, until } from './end-to-end.js'

const limit = {
  timeout: 240_000,
  skip: process.geteuid!() === 0 ? false : 'needs root for a mount namespace',
}

describe('a mount that another mount namespace has a copy of', limit, () => {
  let at: Fixture
  let holder: ChildProcess
  let pid: number
  let log: string
  beforeEach(async () => {
    at = new Fixture()
    log = join(at.folder, 'log')
    await at.mount('--log-file', log)
    holder = at.start('unshare', ['-m', 'sleep', '1000'])
    await until(() => readFileSync(`/proc/${holder.pid}/comm`, 'utf8') === 'sleep\n', 'the copy is made')
    pid = (await at.status())[0].pid
  })
  afterEach(() => at.end())

  const detachedLine = () =>
    new RegExp(
      `^hawser: ${at.mountpoint} is detached here, but still in use in another mount namespace, ` +
        `by ${holder.pid} \\(sleep\\); its server, process ${pid}, ends with the last of them[^\n]*\n$`,
    )

  it('is detached by umount, which says who has it, and ends with the copy', limit, async () => {
    const { code, stdout, stderr } = await at.hawser('umount', at.mountpoint)
    assert.match(stderr, detachedLine())
    assert.deepEqual([code, stdout], [0, ''])
    assert.deepEqual(at.mounted(), [])
    assert.equal((await at.status())[0].state, 'detached')
    const copy = join(`/proc/${holder.pid}/root`, at.path('hello'))
    assert.equal(readFileSync(copy, 'utf8'), 'hello, world\n')

    const again = await at.hawser('umount', at.mountpoint)
    assert.equal(again.code, 1)
    assert.match(again.stderr, detachedLine())
    holder.kill('SIGKILL')
    await until(() => !isServer(pid), 'the process ends')
    assert.deepEqual(await at.status(), [])
  })

  it('is detached for status, whoever has unmounted it', limit, async () => {
    assert.equal((await at.run('umount', [at.mountpoint])).code, 0)
    assert.equal((await at.status())[0].state, 'detached')
    assert.match((await at.hawser('status')).stdout, /^\S+ +\S+ +detached /m)
  })

  it('ends everywhere by umount --force, also once it is detached', limit, async () => {
    assert.equal((await at.hawser('umount', at.mountpoint)).code, 0)
    assert.deepEqual(await at.hawser('umount', '--force', at.mountpoint), { code: 0, stdout: '', stderr: '' })
    await until(() => !isServer(pid), 'the process ends')
  })

  it('leaves its place to another one', limit, async () => {
    assert.equal((await at.hawser('umount', at.mountpoint)).code, 0)
    await at.mount()
    const states = (await at.status()).map(({ state }) => state)
    assert.deepEqual(states.sort(), ['detached', 'mounted'])
    // The copy's namespace is older than this one.
    assert.deepEqual(await at.hawser('umount', at.mountpoint), { code: 0, stdout: '', stderr: '' })
  })

  it('ends by SIGTERM', limit, async () => {
    process.kill(pid, 'SIGTERM')
    await until(() => at.mounted().length === 0, 'it is detached')
    await until(() => !isServer(pid), 'the process ends')
    assert.match(readFileSync(log, 'utf8'), /used elsewhere; requests fail in \d+ s/)
  })

  it('ends by SIGTERM once it is detached, and at once by a second one', limit, async () => {
    assert.equal((await at.hawser('umount', at.mountpoint)).code, 0)
    process.kill(pid, 'SIGTERM')
    await until(() => readFileSync(log, 'utf8').includes('used elsewhere'), 'it says so')
    process.kill(pid, 'SIGTERM')
    await until(() => !isServer(pid), 'the process ends')
    assert.match(readFileSync(log, 'utf8'), /again: unmounting, force/)
  })
})

it('a mount that is mounted elsewhere too is detached by umount, which says where', limit, async () => {
  const at = new Fixture()
  try {
    await at.mount()
    const other = join(at.folder, 'other')
    mkdirSync(other)
    assert.equal((await at.run('mount', ['--bind', at.mountpoint, other])).code, 0)
    const { code, stderr } = await at.hawser('umount', at.mountpoint)
    assert.match(stderr, new RegExp(`detached here, but still mounted on ${other};`))
    assert.equal(code, 0)
    const [{ pid }] = await at.status()
    assert.equal((await at.run('umount', [other])).code, 0)
    await until(() => !isServer(pid), 'the process ends')
  } finally {
    await at.end()
  }
})
