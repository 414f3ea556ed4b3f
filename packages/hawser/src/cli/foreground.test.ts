import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { exitOf, Fixture, program, until } from './end-to-end.js'

const limit = { timeout: 600_000 }

describe('a mount in the foreground', limit, () => {
  let at: Fixture
  beforeEach(() => {
    at = new Fixture()
  })
  afterEach(() => at.end())

  /** Starts one and settles when it says that it is mounted; `lines` goes on collecting its log. */
  async function start(
    mountpoint = at.mountpoint,
    fds: number[] = [],
  ): Promise<{ server: ChildProcess; lines: { message: string }[] }> {
    const call = [program, 'mount', at.source, mountpoint, '--foreground', '--log-format', 'json']
    const server = at.start(process.execPath, call, '/', fds)
    const lines: { message: string }[] = []
    const log = createInterface({ input: server.stderr! })
    log.on('line', (line) => lines.push(JSON.parse(line)))
    await Promise.race([
      until(() => lines.some(({ message }) => message.startsWith('mounted ')), 'it mounts'),
      once(server, 'exit').then(() => assert.fail(`it ended: ${JSON.stringify(lines)}`)),
    ])
    return { server, lines }
  }

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`ends cleanly with exit code 0 on ${signal}`, limit, async () => {
      const { server } = await start()
      assert.equal(readFileSync(at.path('hello'), 'utf8'), 'hello, world\n')
      server.kill(signal)
      assert.equal(await exitOf(server), 0)
      assert.deepEqual(at.mounted(), [])
      assert.deepEqual(await at.status(), [])
    })
  }

  it('waits until it is free', limit, async () => {
    const { server, lines } = await start()
    const user = at.start('sleep', ['1000'], at.mountpoint)
    server.kill('SIGTERM')
    await until(() => lines.some(({ message }) => message.includes('waiting until it is free')), 'it says so')
    assert.equal(readFileSync(at.path('hello'), 'utf8'), 'hello, world\n')
    user.kill('SIGKILL')
    assert.equal(await exitOf(server), 0)
    assert.deepEqual(at.mounted(), [])
  })

  it('detaches on the second signal, and ends on the third', limit, async () => {
    const { server, lines } = await start()
    at.start('sleep', ['1000'], at.mountpoint)
    server.kill('SIGTERM')
    await until(() => lines.some(({ message }) => message.includes('waiting until it is free')), 'it waits')
    server.kill('SIGTERM')
    await until(() => at.mounted().length === 0, 'it is detached')
    assert.equal(server.exitCode, null)
    server.kill('SIGTERM')
    assert.equal(await exitOf(server), 0)
  })

  it('ends when it is unmounted by umount(8), and by hawser umount', limit, async () => {
    const first = await start()
    assert.equal((await at.run('umount', [at.mountpoint])).code, 0)
    assert.equal(await exitOf(first.server), 0)
    const second = await start()
    assert.equal((await at.hawser('umount', at.mountpoint)).code, 0)
    assert.equal(await exitOf(second.server), 0)
  })

  const root = process.geteuid!() === 0
  it('serves a descriptor that it is given, and leaves unmounting to who has mounted it', {
    ...limit,
    skip: root ? false : 'needs root to mount',
  }, async () => {
    const { openDevice } = await import('@hawser/fuse')
    const device = await openDevice({ mountpoint: at.mountpoint, how: 'mount' })
    const { server, lines } = await start('/dev/fd/3', [device.fd])
    device.close()
    assert.equal(readFileSync(at.path('hello'), 'utf8'), 'hello, world\n')
    for (const words of [[], ['--lazy'], ['--force']]) {
      const { code, stderr } = await at.hawser('umount', '/dev/fd/3', ...words)
      assert.equal(code, 1)
      assert.match(stderr, /^hawser: cannot unmount [^\n]*unmount it where it is mounted\n$/)
    }
    server.kill('SIGTERM')
    await until(
      () => lines.some(({ message }) => message.includes('for its mounter to unmount')),
      'it says so',
    )
    assert.equal(readFileSync(at.path('hello'), 'utf8'), 'hello, world\n')
    server.kill('SIGTERM')
    assert.equal(await exitOf(server), 0)
  })

  it('does without a registry where none can be', limit, async () => {
    at.environment.HAWSER_RUNTIME_DIR = '/proc/hawser'
    const { server, lines } = await start()
    assert.ok(lines.some(({ message }) => message.includes('will not find this mount')))
    server.kill('SIGTERM')
    assert.equal(await exitOf(server), 0)
  })
})
