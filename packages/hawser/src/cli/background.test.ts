import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { exitOf, Fixture, isServer, program, until } from './end-to-end.js'

const limit = { timeout: 600_000 }

describe('a mount in the background', limit, () => {
  let at: Fixture
  beforeEach(() => {
    at = new Fixture()
  })
  afterEach(() => at.end())

  it('answers when the command returns, and is gone after umount', limit, async () => {
    const [log, pidFile] = [join(at.folder, 'log'), join(at.folder, 'pid')]
    await at.mount('--log-file', log, '--pid-file', pidFile)
    assert.equal(readFileSync(at.path('hello'), 'utf8'), 'hello, world\n')
    writeFileSync(at.path('new'), 'written')
    const pid = Number(readFileSync(pidFile, 'utf8'))
    assert.ok(isServer(pid))

    assert.deepEqual(await at.hawser('umount', at.mountpoint), { code: 0, stdout: '', stderr: '' })
    assert.deepEqual(at.mounted(), [])
    await until(() => !isServer(pid), 'the process ends')
    assert.ok(!existsSync(pidFile))
    assert.deepEqual(readdirSync(at.runtimeDirectory), [])
    assert.deepEqual(await at.status(), [])
    assert.equal(readFileSync(join(at.source, 'new'), 'utf8'), 'written')
    assert.match(readFileSync(log, 'utf8'), /^\S+ info {2}mounted .* info {2}unmounted /s)
  })

  it('is a session of its own with no descriptor of ours and / as its directory', limit, async () => {
    await at.mount()
    const [{ pid }] = await at.status()
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ')
    assert.equal(Number(fields[3]), pid, 'session')
    assert.equal(readlinkSync(`/proc/${pid}/cwd`), '/')
    for (const fd of [0, 1, 2]) assert.equal(readlinkSync(`/proc/${pid}/fd/${fd}`), '/dev/null')
    process.kill(pid, 'SIGHUP')
    assert.equal(readFileSync(at.path('hello'), 'utf8'), 'hello, world\n')
    process.kill(pid, 'SIGTERM')
    await until(() => !isServer(pid) && at.mounted().length === 0, 'SIGTERM unmounts')
  })

  it('is listed by status', limit, async () => {
    await at.mount('-o', 'cache=never')
    const mounts = await at.status()
    assert.equal(mounts.length, 1)
    const [mount] = mounts
    assert.equal(mount.mountpoint, at.mountpoint)
    assert.equal(mount.source, at.source)
    assert.equal(mount.state, 'mounted')
    assert.match(mount.engine, /^(classic|io_uring)$/)
    assert.ok(isServer(mount.pid))
    assert.equal(new Date(mount.since).toISOString(), mount.since)
    assert.equal(mount.options.cache, 'never')
    const { stdout } = await at.hawser('status')
    assert.ok(stdout.includes(at.mountpoint) && stdout.includes('mounted'))
  })

  it('is counted by stats and metrics', limit, async () => {
    await at.mount('-o', 'cache=never,passthrough=off', '--metrics', '127.0.0.1:0')
    for (let round = 0; round < 10; round++) statSync(at.path('hello'))
    readFileSync(at.path('hello'))
    const { code, stdout } = await at.hawser('stats', at.mountpoint, '--json')
    assert.equal(code, 0)
    const report = JSON.parse(stdout)
    const row = (name: string) =>
      report.operations.find(({ operation }: { operation: string }) => operation === name)
    assert.ok(row('lookup').count >= 10)
    assert.ok(
      row('lookup').p50Nanoseconds > 0 && row('lookup').p99Nanoseconds >= row('lookup').p50Nanoseconds,
    )
    assert.equal(row('read').bytes, 'hello, world\n'.length)

    const live = await at.hawser('stats', at.mountpoint, '--json', '--interval', '0.1', '--count', '2')
    assert.equal(live.stdout.trimEnd().split('\n').length, 2)
    assert.match((await at.hawser('stats', at.mountpoint)).stdout, /OPERATION +OPS\/S.*\nlookup/s)

    const [{ metrics }] = await at.status()
    const text = await (await fetch(metrics)).text()
    const labels = `mountpoint="${at.mountpoint}",operation="lookup"`
    const count = new RegExp(
      `^hawser_fuse_operation_duration_seconds_count\\{${labels}\\} (\\d+)$`,
      'm',
    ).exec(text)
    assert.ok(Number(count?.[1]) >= 10, text)
  })

  it('stays while it is used, names who uses it, and goes lazily', limit, async () => {
    await at.mount()
    const user = at.start('sleep', ['1000'], at.mountpoint)
    const busy = await at.hawser('umount', at.mountpoint)
    assert.equal(busy.code, 1)
    assert.match(busy.stderr, new RegExp(`^hawser: .*used by ${user.pid} \\(sleep\\)\n$`))
    assert.equal(readFileSync(at.path('hello'), 'utf8'), 'hello, world\n')

    assert.equal((await at.hawser('umount', '--lazy', at.mountpoint)).code, 0)
    assert.deepEqual(at.mounted(), [])
    const [mount] = await at.status()
    assert.equal(mount.state, 'detached')
    user.kill('SIGKILL')
    await exitOf(user)
    await until(() => !isServer(mount.pid), 'the process ends with the last user')
    assert.deepEqual(await at.status(), [])
  })

  it('goes at once by force', limit, async () => {
    await at.mount()
    const [{ pid }] = await at.status()
    at.start('sleep', ['1000'], at.mountpoint)
    assert.equal((await at.hawser('umount', '--force', at.mountpoint)).code, 0)
    await until(() => !isServer(pid), 'the process ends')
    assert.deepEqual(at.mounted(), [])
  })

  it('is not put over another one', limit, async () => {
    await at.mount()
    const again = await at.hawser('mount', at.source, at.mountpoint)
    assert.equal(again.code, 1)
    assert.match(again.stderr, /^hawser: [^\n]*already mounted[^\n]*\n$/)
    assert.equal(at.mounted().length, 1)
    assert.equal((await at.status()).length, 1)
  })

  it('keeps what the kernel was asked to forbid', { ...limit, skip: process.geteuid!() !== 0 }, async () => {
    await at.mount('-o', 'ro,noexec,noatime,_netdev')
    const options = at.mounted()[0].split(' ')[5].split(',')
    for (const word of ['ro', 'noexec', 'nosuid', 'nodev', 'noatime']) assert.ok(options.includes(word), word)
    assert.throws(() => writeFileSync(at.path('x'), ''), { code: 'EROFS' })
  })

  it('can hide the program that serves it', { ...limit, skip: process.geteuid!() !== 0 }, async () => {
    const root = fileURLToPath(new URL('../../../..', import.meta.url)).replace(/\/$/, '')
    assert.ok(program.startsWith(`${root}/`))
    try {
      const { code, stderr } = await at.hawser('mount', at.source, root)
      assert.equal(code, 0, stderr)
      assert.equal(readFileSync(join(root, 'hello'), 'utf8'), 'hello, world\n')
    } finally {
      assert.equal((await at.run('umount', [root])).code, 0)
    }
  })

  it('that cannot be is one line of error and no process', limit, async () => {
    const missing = await at.hawser('mount', join(at.folder, 'missing'), at.mountpoint)
    assert.equal(missing.code, 1)
    assert.match(missing.stderr, /^hawser: [^\n]*missing[^\n]*\n$/)
    const nowhere = await at.hawser('mount', at.source, join(at.folder, 'nowhere'))
    assert.equal(nowhere.code, 1)
    assert.match(nowhere.stderr, /^hawser: [^\n]*nowhere[^\n]*\n$/)

    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    const { port } = taken.address() as { port: number }
    const words = ['--metrics', `127.0.0.1:${port}`]
    const refused = await at.hawser('mount', at.source, at.mountpoint, ...words)
    await new Promise((resolve) => taken.close(resolve))
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, /^hawser: [^\n]*already in use[^\n]*\n$/)
    assert.deepEqual(at.mounted(), [])
    assert.deepEqual(readdirSync(at.runtimeDirectory), [])
  })

  it('needs a registry that is ours', limit, async () => {
    at.environment.HAWSER_RUNTIME_DIR = '/proc/hawser'
    const { code, stderr } = await at.hawser('mount', at.source, at.mountpoint)
    assert.equal(code, 1)
    assert.match(stderr, /^hawser: [^\n]*cannot be listed in \/proc\/hawser[^\n]*\n$/)
    assert.deepEqual(at.mounted(), [])
  })
})

describe('a mount whose process was killed', limit, () => {
  let at: Fixture
  beforeEach(async () => {
    at = new Fixture()
    await at.mount()
    const [{ pid }] = await at.status()
    process.kill(pid, 'SIGKILL')
    await until(() => !isServer(pid), 'the process ends')
    assert.throws(() => statSync(at.path('hello')), /ENOTCONN|ECONNABORTED/)
  })
  afterEach(() => at.end())

  it('is shown dead, and removed by umount', limit, async () => {
    const [mount] = await at.status()
    assert.equal(mount.state, 'dead')
    assert.match((await at.hawser('status')).stdout, /dead.*removed by: hawser umount/s)
    assert.match((await at.hawser('stats', at.mountpoint)).stderr, /is dead/)
    assert.deepEqual(await at.hawser('umount', at.mountpoint), { code: 0, stdout: '', stderr: '' })
    assert.deepEqual(at.mounted(), [])
    assert.deepEqual(await at.status(), [])
    assert.deepEqual(readdirSync(at.runtimeDirectory), [])
  })

  it('is removed even while somebody stands in it', limit, async () => {
    const user = at.start('sleep', ['1000'])
    assert.equal((await at.hawser('umount', at.mountpoint)).code, 0)
    user.kill()
    assert.deepEqual(at.mounted(), [])
  })

  it('is replaced by a new mount', limit, async () => {
    await at.mount()
    assert.equal(at.mounted().length, 1)
    assert.equal(readFileSync(at.path('hello'), 'utf8'), 'hello, world\n')
    const mounts = await at.status()
    assert.deepEqual(
      mounts.map(({ state }) => state),
      ['mounted'],
    )
  })

  it('is forgotten once somebody else has unmounted it', limit, async () => {
    assert.equal((await at.run('umount', [at.mountpoint])).code, 0)
    assert.deepEqual(await at.status(), [])
    assert.deepEqual(readdirSync(at.runtimeDirectory), [])
    const again = await at.hawser('umount', at.mountpoint)
    assert.equal(again.code, 1)
    assert.match(again.stderr, /^hawser: [^\n]*not mounted[^\n]*\n$/)
  })
})
