import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { serveControl } from './control-server.js'
import { listMounts } from './mounts.js'
import {
  prepareRuntimeDirectory,
  Registration,
  type RegistryEntry,
  readRegistry,
  runtimeDirectory,
} from './registry.js'

const uid = process.geteuid!()
const entry = (more: Partial<RegistryEntry> = {}): RegistryEntry => ({
  mountpoint: '/nowhere/at/all',
  source: '/data',
  pid: 1,
  engine: 'classic',
  since: '2024-01-01T00:00:00.000Z',
  version: '0.0.0',
  options: {},
  ...more,
})

describe('the registry', () => {
  let folder: string
  let directory: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'hawser-registry-'))
    directory = join(folder, 'run')
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it('lies where each user may write', () => {
    assert.equal(runtimeDirectory({}, 0), '/run/hawser')
    assert.equal(
      runtimeDirectory({ XDG_RUNTIME_DIR: folder }, uid === 0 ? 12_345 : uid + 1),
      `/tmp/hawser-${uid === 0 ? 12_345 : uid + 1}`,
    )
    if (uid !== 0) assert.equal(runtimeDirectory({ XDG_RUNTIME_DIR: folder }, uid), join(folder, 'hawser'))
    assert.equal(runtimeDirectory({ HAWSER_RUNTIME_DIR: '/x' }, 0), '/x')
  })

  it('is made for its user alone', () => {
    const before = process.umask(0)
    try {
      prepareRuntimeDirectory(directory, uid)
    } finally {
      process.umask(before)
    }
    assert.equal(statSync(directory).mode & 0o777, 0o700)
    prepareRuntimeDirectory(directory, uid)
  })

  it('is refused when others can look into it, own it or lead it elsewhere', () => {
    prepareRuntimeDirectory(directory, uid)
    chmodSync(directory, 0o755)
    assert.throws(() => prepareRuntimeDirectory(directory, uid), /open to other users; run: chmod 700/)
    assert.throws(() => readRegistry(directory, uid), /open to other users/)
    chmodSync(directory, 0o700)
    assert.throws(() => prepareRuntimeDirectory(directory, uid + 1), /belongs to user/)
    const link = join(folder, 'link')
    symlinkSync(directory, link)
    assert.throws(() => prepareRuntimeDirectory(link, uid), /not a directory/)
  })

  it('lists what was published, and nothing once it is removed', () => {
    prepareRuntimeDirectory(directory, uid)
    const registration = new Registration(directory, 'a')
    registration.publish(entry())
    registration.publish(entry({ connection: 7 }))
    assert.deepEqual(readRegistry(directory, uid), [
      { ...entry({ connection: 7 }), id: 'a', socket: join(directory, 'a.sock') },
    ])
    registration.remove()
    assert.deepEqual(readdirSync(directory), [])
    assert.deepEqual(readRegistry(join(folder, 'missing'), uid), [])
  })

  it('passes over files that are no entries', () => {
    prepareRuntimeDirectory(directory, uid)
    writeFileSync(join(directory, 'half.json'), '{"mountpoint":')
    writeFileSync(join(directory, 'other.json'), '{"pid":"x"}')
    assert.deepEqual(readRegistry(directory, uid), [])
  })

  it('refuses a directory whose sockets could not be bound', () => {
    assert.throws(() => new Registration('/x'.repeat(60), 'a'), /too long for a socket/)
  })

  it('forgets what died without leaving a mount', async () => {
    prepareRuntimeDirectory(directory, uid)
    const registration = new Registration(directory, 'dead')
    registration.publish(entry())
    // A socket that is bound and that nobody listens on any more, as after kill -9.
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(join(directory, 'other.sock'), resolve))
    assert.deepEqual(await listMounts(directory, uid), [])
    assert.deepEqual(readdirSync(directory), ['other.sock'])
    await new Promise((resolve) => server.close(resolve))
  })

  it('keeps what does not answer, and tells what does', async () => {
    prepareRuntimeDirectory(directory, uid)
    const registration = new Registration(directory, 'alive')
    registration.publish(entry())
    const server = await serveControl(registration.socket, () => entry({ engine: 'io_uring' }))
    assert.equal(statSync(registration.socket).mode & 0o777, 0o600)
    try {
      const [mount] = await listMounts(directory, uid)
      assert.deepEqual([mount.state, mount.engine], ['mounted', 'io_uring'])
    } finally {
      await new Promise((resolve) => server.close(resolve))
    }
  })
})
