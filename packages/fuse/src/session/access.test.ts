// A mount for its owner and root, in a kernel that lets everybody in: a third user sees nothing, cached or not.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openDevice } from '../device/index.js'
import { needsRoot } from '../device/isolation.test.support.js'
import type { Filesystem } from '../filesystem.js'
import { mount } from '../mount.js'
import { constants, errno } from '../native.js'
import { NodeFilesystem, ObjectNodes } from '../node/index.js'
import { Session } from './index.js'
import { type Client, flat, openMountPoint, serveFilesystem, startClient } from './serve.test.support.js'

const OWNER = 64001
const THIRD = 64002
const access = { uid: OWNER, allowRoot: true }

interface Node {
  ino: number
  children?: Record<string, Node>
  target?: string
}

/** The node layer, which keeps everything for ever where it may, without open, opendir or access of its own. */
function tree(): Filesystem {
  const root: Node = {
    ino: 1,
    children: { file: { ino: 2 }, directory: { ino: 3, children: {} }, link: { ino: 4, target: 'file' } },
  }
  const fill = (node: Node, attr: { set(init: { ino: number; mode: number; size: number }): void }) => {
    const type = node.children ? constants.S_IFDIR : node.target ? constants.S_IFLNK : constants.S_IFREG
    attr.set({ ino: node.ino, mode: type | 0o777, size: node.target?.length ?? 10 })
  }
  return new NodeFilesystem<Node>(
    {
      lookup(parent, name, attr) {
        const child = parent.children?.[String(name)]
        if (child) fill(child, attr)
        return child
      },
      getattr: (node, attr) => fill(node, attr),
      readlink: (node) => node.target as string,
      read: (_node, _handle, _request, reply) => reply.data('0123456789'),
      readdir: async (node) =>
        Object.entries(node.children ?? {}).map(([name, { ino }]) => ({ name, ino, type: 0 })),
      mkdir: async (parent, request, attr) => {
        const made: Node = { ino: 5, children: {} }
        ;(parent.children as Record<string, Node>)[String(request.name)] = made
        fill(made, attr)
        return made
      },
    },
    {
      nodes: new ObjectNodes<Node>(root),
      entryTimeout: Number.POSITIVE_INFINITY,
      attrTimeout: Number.POSITIVE_INFINITY,
      negativeTimeout: Number.POSITIVE_INFINITY,
    },
  )
}

/** Everything that can be asked by name. */
function use(client: Client, root: string): Promise<Record<string, string>> {
  return client.run(({ fs, failure, cString, native, sys, errno }, root) => {
    const statx = (path: string, flags: number) => {
      const name = cString(path)
      const result = native.syscall(
        sys.statx,
        -100,
        native.address(name),
        flags,
        0x7ff,
        native.address(Buffer.alloc(256)),
      )
      return result === -errno.EACCES ? 'EACCES' : result === 0 ? '' : String(result)
    }
    return {
      statRoot: failure(() => fs.statSync(root)),
      statxRoot: statx(root, 0),
      ls: failure(() => fs.readdirSync(root)),
      openRoot: failure(() => fs.closeSync(fs.openSync(root, 'r'))),
      chdir: failure(() => {
        process.chdir(root)
        process.chdir('/')
      }),
      stat: failure(() => fs.statSync(`${root}/file`)),
      statx: statx(`${root}/file`, 0),
      // AT_STATX_DONT_SYNC: what is cached will do.
      statxCached: statx(`${root}/file`, 0x4000),
      lsBelow: failure(() => fs.readdirSync(`${root}/directory`)),
      read: failure(() => fs.readFileSync(`${root}/file`)),
      readThroughLink: failure(() => fs.readFileSync(`${root}/link`)),
      readlink: failure(() => fs.readlinkSync(`${root}/link`)),
      access: failure(() => fs.accessSync(`${root}/file`, fs.constants.R_OK)),
      accessRoot: failure(() => fs.accessSync(root, fs.constants.R_OK)),
      exists: failure(() => fs.accessSync(`${root}/file`)),
    }
  }, root)
}

const all = (record: Record<string, string>, value: string) =>
  assert.deepEqual(record, Object.fromEntries(Object.keys(record).map((key) => [key, value])))

async function prove(t: Parameters<typeof startClient>[0], path: string): Promise<void> {
  const [root, owner, third] = await Promise.all([
    startClient(t),
    startClient(t, OWNER),
    startClient(t, THIRD),
  ])
  all(await use(third, path), 'EACCES')
  for (let round = 0; round < 2; round++) {
    all(await use(owner, path), '')
    all(await use(third, path), 'EACCES')
    all(await use(root, path), '')
    all(await use(third, path), 'EACCES')
  }
  const made = await owner.run(({ fs, failure }, root) => failure(() => fs.mkdirSync(`${root}/made`)), path)
  assert.equal(made, '')
  assert.equal(
    await third.run(({ fs, failure }, root) => failure(() => fs.statSync(`${root}/made`)), path),
    'EACCES',
  )
  // What is open already may be used by whoever has it.
  // (cat would ask for its attributes first, which only a user of the mount may.)
  const passed = await root.run(({ childProcess, fs }, file) => {
    const fd = fs.openSync(file, 'r')
    const user = { uid: 64002, gid: 64002, cwd: '/' }
    const result = childProcess.spawnSync('sh', ['-c', 'read text; echo $text'], {
      stdio: [fd, 'pipe', 'pipe'],
      ...user,
    })
    fs.closeSync(fd)
    return String(result.stdout).trim()
  }, `${path}/file`)
  assert.equal(passed, '0123456789')
}

for (const readdirplus of ['always', 'never'] as const)
  test(`a third user sees nothing of a warm cache (readdirplus ${readdirplus})`, needsRoot, async (t) => {
    const { path, log } = await serveFilesystem(t, tree(), {
      access,
      allowOther: true,
      features: { readdirplus },
    })
    await prove(t, path)
    assert.deepEqual(log, [])
  })

test('nor of handlers that answer ENOSYS, or wait, or gather', needsRoot, async (t) => {
  const inner = tree()
  const wrapped: Filesystem = {
    lookup: async (request, reply) => inner.lookup?.(request, reply),
    getattr: async (request, reply) => inner.getattr?.(request, reply),
    forget: (nodeId, count) => inner.forget?.(nodeId, count),
    mkdir: (request, reply) => inner.mkdir?.(request, reply),
    readlink: (request, reply) => inner.readlink?.(request, reply),
    read: (_request, reply) => reply.data('0123456789'),
    open: (_request, reply) => reply.fail(errno.ENOSYS),
    access: async (_request, reply) => reply.fail(errno.ENOSYS),
    opendir: (request, reply) => inner.opendir?.(request, reply),
    readdir: (request, reply) => inner.readdir?.(request, reply),
    async readdirplus(request, reply) {
      await inner.readdirplus?.(request, reply)
      const { message } = reply
      reply.data([Buffer.from(message.replyBytes.subarray(16))])
    },
    releasedir: (request, reply) => inner.releasedir?.(request, reply),
  }
  const { path, log } = await serveFilesystem(t, wrapped, {
    access,
    allowOther: true,
    features: { readdirplus: 'always' },
  })
  await prove(t, path)
  assert.deepEqual(log, [])
})

test('the rule holds for a descriptor that somebody else mounted', needsRoot, async (t) => {
  const path = openMountPoint(t)
  const device = await openDevice({ mountpoint: path, how: 'mount', allowOther: true })
  t.after(() => device.close())
  const given = await mount(tree(), `/dev/fd/${device.fd}`, { access, log: () => {} })
  await prove(t, path)
  await device.unmount('clean')
  await given.closed
})

test('allowRoot lets the owner and root in', needsRoot, async (t) => {
  const { path, mounted } = await serveFilesystem(t, tree(), { allowRoot: true })
  const [root, third] = await Promise.all([startClient(t), startClient(t, THIRD)])
  all(await use(root, path), '')
  all(await use(third, path), 'EACCES')
  assert.ok(mounted.session instanceof Session)
  await assert.rejects(mount(flat({}), path, { allowRoot: true, allowOther: true }), { code: 'FUSE_OPTION' })
})
