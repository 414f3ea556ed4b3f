// Nothing leads out of the source: neither symlinks nor names that only another client than the kernel would send.
import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { constants as c, errnoName, Opcode } from '@hawser/fuse'
import { openPassthrough } from '../sources/passthrough/index.js'
import { name, RawClient, u32, u64 } from '../test-support/raw-client.js'
import { needsRoot, Workspace } from '../test-support/workspace.js'

const ROOT = 1

async function raw(t: TestContext) {
  const place = new Workspace(t)
  const folder = place.directory()
  const outside = place.directory('outside')
  const source = join(folder, 'source')
  mkdirSync(join(source, 'directory'), { recursive: true })
  writeFileSync(join(source, 'file'), 'inside')
  writeFileSync(join(folder, 'secret'), 'outside')
  symlinkSync(outside, join(source, 'absolute'))
  symlinkSync('../secret', join(source, 'relative'))
  symlinkSync('..', join(source, 'parent'))
  const { filesystem, features } = openPassthrough({
    directory: source,
    cache: 'never',
    readOnly: false,
    kernelPassthrough: false,
    forwardLocks: false,
    submounts: false,
    xattr: true,
    acl: false,
  })
  const client = await RawClient.connect(filesystem, features)
  place.atEnd(() => client.close())
  return { client, folder, outside, filesystem }
}

const nodeOf = (body: Buffer) => Number(body.readBigUInt64LE(0))

test(
  'names of several components, dots and empty ones are refused by every operation',
  needsRoot,
  async (t) => {
    const { client, folder, outside } = await raw(t)
    const directory = nodeOf((await client.request(Opcode.LOOKUP, ROOT, name('directory'))).body)
    const file = nodeOf((await client.request(Opcode.LOOKUP, ROOT, name('file'))).body)
    const before = [readdirSync(folder), readdirSync(join(folder, 'source')), readdirSync(outside)]
    const names = [
      '',
      '.',
      '..',
      '../secret',
      'directory/..',
      'absolute/x',
      'parent/secret',
      'relative/',
      '/etc/passwd',
      '/',
      `${outside}/x`,
    ]
    const create = u32(c.O_RDWR | c.O_CREAT, 0o100644, 0, 0)
    for (const bad of names) {
      const requests: Record<string, [number, number, ...Buffer[]]> = {
        lookup: [Opcode.LOOKUP, ROOT, name(bad)],
        mkdir: [Opcode.MKDIR, ROOT, u32(0o755, 0), name(bad)],
        mknod: [Opcode.MKNOD, ROOT, u32(0o100644, 0, 0, 0), name(bad)],
        symlink: [Opcode.SYMLINK, ROOT, name(bad), name('target')],
        link: [Opcode.LINK, ROOT, u64(file), name(bad)],
        unlink: [Opcode.UNLINK, ROOT, name(bad)],
        rmdir: [Opcode.RMDIR, ROOT, name(bad)],
        'rename from': [Opcode.RENAME, ROOT, u64(directory), name(bad), name('new')],
        'rename to': [Opcode.RENAME, ROOT, u64(directory), name('file'), name(bad)],
        'rename2 to': [Opcode.RENAME2, ROOT, u64(ROOT), u32(c.RENAME_EXCHANGE, 0), name('file'), name(bad)],
        create: [Opcode.CREATE, ROOT, create, name(bad)],
        'create, O_PATH': [Opcode.CREATE, ROOT, u32(c.O_PATH | c.O_CREAT, 0o100644, 0, 0), name(bad)],
      }
      for (const [operation, request] of Object.entries(requests)) {
        const { error, body } = await client.request(...request)
        assert.equal(errnoName(error), 'EINVAL', `${operation} of '${bad}'`)
        assert.equal(body.length, 0)
      }
    }
    assert.deepEqual([readdirSync(folder), readdirSync(join(folder, 'source')), readdirSync(outside)], before)
  },
)

test(
  'symlinks are text: nothing is looked up, opened, listed or changed through them',
  needsRoot,
  async (t) => {
    const { client, folder, outside } = await raw(t)
    writeFileSync(join(outside, 'file'), 'outside')
    for (const link of ['absolute', 'relative', 'parent']) {
      const { body } = await client.request(Opcode.LOOKUP, ROOT, name(link))
      const node = nodeOf(body)
      const [target] = [await client.request(Opcode.READLINK, node)]
      assert.equal(String(target.body), readlinkSync(join(folder, 'source', link)))
      const beneath = [
        client.request(Opcode.LOOKUP, node, name('file')),
        client.request(Opcode.LOOKUP, node, name('secret')),
        client.request(Opcode.OPEN, node, u32(c.O_RDWR, 0)),
        client.request(Opcode.OPEN, node, u32(c.O_PATH, 0)),
        client.request(Opcode.OPENDIR, node, u32(c.O_RDONLY, 0)),
        client.request(Opcode.CREATE, node, u32(c.O_RDWR | c.O_CREAT, 0o100644, 0, 0), name('new')),
        client.request(Opcode.CREATE, ROOT, u32(c.O_RDWR | c.O_CREAT, 0o100644, 0, 0), name(link)),
        client.request(Opcode.MKDIR, node, u32(0o755, 0), name('new')),
        client.request(Opcode.UNLINK, node, name('file')),
        client.request(Opcode.SETATTR, node, u32(8, 0), u64(0, 0), Buffer.alloc(64)),
      ]
      for (const [index, request] of beneath.entries())
        assert.notEqual((await request).error, 0, `${link}, request ${index}`)
    }
    assert.equal(readFileSync(join(folder, 'secret'), 'utf8'), 'outside')
    assert.deepEqual(readdirSync(outside), ['file'])
  },
)

test('nodes and handles that were never given are refused', needsRoot, async (t) => {
  const { client, filesystem } = await raw(t)
  for (const node of [0, 2, 77, 2 ** 31, 2 ** 32 + 1, 2 ** 52, 2 ** 60]) {
    const { error } = await client.request(Opcode.GETATTR, node, u32(0, 0), u64(0))
    assert.equal(errnoName(error), 'ESTALE', `node ${node}`)
  }
  // Descriptors 0, 1, 2 and the session's own are open in this process, and no file handles.
  for (const fh of [0, 1, 2, 3, 20, 2 ** 31, 2 ** 40]) {
    const read = await client.request(Opcode.READ, ROOT, u64(fh, 0), u32(4096, 0), u64(0), u32(0, 0))
    assert.equal(errnoName(read.error), 'EBADF', `handle ${fh}`)
    const listed = await client.request(Opcode.READDIR, ROOT, u64(fh, 0), u32(4096, 0), u64(0), u32(0, 0))
    assert.equal(errnoName(listed.error), 'EBADF', `handle ${fh}`)
    for (const release of [Opcode.RELEASE, Opcode.RELEASEDIR])
      await client.request(release, ROOT, u64(fh), u32(0, 0), u64(0))
    assert.equal(filesystem.handleCount, 0)
  }
  assert.equal((await client.request(Opcode.GETATTR, ROOT, u32(0, 0), u64(0))).error, 0)
})

test('through a mount, a symlink leads where its reader’s own root says', needsRoot, async (t) => {
  const place = new Workspace(t)
  const source = place.directory('source')
  const { mountpoint: top } = await place.serve(source)
  writeFileSync(join(place.folder, 'outside'), 'outside')
  symlinkSync('/nowhere/at/all', join(top, 'absolute'))
  symlinkSync('../outside', join(top, 'relative'))
  assert.equal(readlinkSync(join(top, 'absolute')), '/nowhere/at/all')
  assert.equal(readlinkSync(join(source, 'absolute')), '/nowhere/at/all')
  // The kernel follows it from the mount point, which lies beside the file as well; the server has no part in it.
  assert.equal(readFileSync(join(top, 'relative'), 'utf8'), 'outside')
  assert.equal(existsSync(join(top, 'absolute')), false)
  assert.deepEqual(readdirSync(join(top, '..')), readdirSync(place.folder))
})
