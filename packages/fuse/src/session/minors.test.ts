// Older protocols, as an older kernel speaks them: what is not agreed on is not used, and the rest works.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { needsRoot } from '../device/isolation.test.support.js'
import type { Filesystem } from '../filesystem.js'
import { constants, errno } from '../native.js'
import { NodeFilesystem, ObjectNodes } from '../node/index.js'
import { type Attributes, InitFlag } from '../protocol/index.js'
import { serveFilesystem, startClient } from './serve.test.support.js'

class Node {
  readonly mode: number
  nlink = 1
  data = Buffer.alloc(0)
  readonly children = new Map<string, Node>()
  readonly attributes = new Map<string, Buffer>()
  lock: { type: number; start: number; end: number; pid: number } | undefined
  constructor(mode: number) {
    this.mode = mode
  }
}

function memory(): { filesystem: Filesystem; setxattrFlags: number[]; locks: string[] } {
  const root = new Node(constants.S_IFDIR | 0o755)
  const nodes = new ObjectNodes<Node>(root)
  const setxattrFlags: number[] = []
  const locks: string[] = []
  const fill = (node: Node, attr: Attributes) =>
    attr.set({ ino: nodes.idOf(node) ?? 99, mode: node.mode, size: node.data.length, nlink: node.nlink })
  const make = (parent: Node, name: string, mode: number, attr: Attributes) => {
    const node = new Node(mode)
    parent.children.set(name, node)
    fill(node, attr)
    return node
  }
  const filesystem = new NodeFilesystem<Node, Node>(
    {
      lookup(parent, name, attr) {
        const node = parent.children.get(String(name))
        if (node) fill(node, attr)
        return node
      },
      getattr: (node, attr) => fill(node, attr),
      setattr(node, request, attr) {
        if (request.valid & 8) {
          const data = Buffer.alloc(request.size)
          node.data.copy(data)
          node.data = data
        }
        fill(node, attr)
      },
      mkdir: (parent, request, attr) =>
        make(parent, String(request.name), constants.S_IFDIR | request.mode, attr),
      mknod: (parent, request, attr) => make(parent, String(request.name), request.mode, attr),
      create(parent, request, reply) {
        const node = make(parent, String(request.name), request.mode | constants.S_IFREG, reply.entry.attr)
        return { node, handle: node }
      },
      symlink(parent, request, attr) {
        const node = make(parent, String(request.name), constants.S_IFLNK | 0o777, attr)
        node.data = Buffer.from(String(request.target))
        return node
      },
      readlink: (node) => node.data,
      link(target, parent, request, attr) {
        parent.children.set(String(request.name), target)
        target.nlink++
        fill(target, attr)
        return target
      },
      unlink(parent, name) {
        const node = parent.children.get(String(name)) as Node
        node.nlink--
        parent.children.delete(String(name))
      },
      rmdir: (parent, name) => void parent.children.delete(String(name)),
      rename(parent, newParent, request) {
        newParent.children.set(String(request.newName), parent.children.get(String(request.name)) as Node)
        parent.children.delete(String(request.name))
      },
      open: (node) => node,
      read(node, _handle, request, reply) {
        reply.data(node.data.subarray(request.offset, request.offset + request.size))
      },
      write(node, _handle, request, reply) {
        const data = Buffer.alloc(Math.max(node.data.length, request.offset + request.size))
        node.data.copy(data)
        request.data.copy(data, request.offset)
        node.data = data
        reply.size = request.size
      },
      readdir: (node) =>
        [...node.children].map(([name, child]) => ({ name, ino: nodes.idOf(child) ?? 0, type: child.mode })),
      setxattr(node, request) {
        setxattrFlags.push(request.flags)
        node.attributes.set(String(request.name), Buffer.from(request.value))
      },
      getxattr(node, name, _request, reply) {
        const value = node.attributes.get(String(name))
        if (!value) return reply.fail(errno.ENODATA)
        reply.value(value)
      },
      listxattr: (node, _request, reply) =>
        reply.value(Buffer.from([...node.attributes.keys()].map((name) => `${name}\0`).join(''))),
      removexattr: (node, name) => void node.attributes.delete(String(name)),
      setlk(_node, _handle, request) {
        locks.push(`${request.type}:${request.start}`)
      },
      getlk(_node, _handle, _request, reply) {
        reply.set({ start: 5, end: 9, type: constants.F_WRLCK, pid: 1 })
      },
      lseek(_node, _handle, request, reply) {
        reply.offset = request.offset
      },
    },
    { nodes },
  )
  return { filesystem, setxattrFlags, locks }
}

for (const minor of [31, 33, 36, 40, 45])
  test(`a mount that answers minor ${minor}`, needsRoot, async (t) => {
    const { filesystem, setxattrFlags, locks } = memory()
    const { path, mounted, log } = await serveFilesystem(t, filesystem, {
      features: { minor, readdirplus: 'always' },
    })
    const agreed = mounted.session.agreed
    assert.equal(agreed?.minor, minor)
    assert.equal((agreed.flags & InitFlag.SETXATTR_EXT) !== 0, minor >= 33)
    assert.equal((agreed.flags & InitFlag.INIT_EXT) !== 0, minor >= 36)
    const client = await startClient(t)
    const result = await client.run(({ fs, native, sys, constants, cString }, root) => {
      const file = `${root}/directory/file`
      fs.mkdirSync(`${root}/directory`)
      fs.writeFileSync(file, 'a'.repeat(300_000))
      fs.appendFileSync(file, 'end')
      fs.linkSync(file, `${root}/hard`)
      fs.symlinkSync('hard', `${root}/soft`)
      fs.renameSync(`${root}/hard`, `${root}/renamed`)
      const { nlink, size, ino } = fs.statSync(`${root}/renamed`)
      const address = (text: string) => native.address(kept[kept.push(cString(text)) - 1])
      const kept: Buffer[] = []
      const value = Buffer.from('value of an attribute')
      const set = native.syscall(
        sys.setxattr,
        address(file),
        address('user.name'),
        native.address(value),
        value.length,
        constants.XATTR_CREATE,
      )
      const got = Buffer.alloc(100)
      const length = native.syscall(
        sys.getxattr,
        address(file),
        address('user.name'),
        native.address(got),
        100,
      )
      const listed = native.syscall(sys.listxattr, address(file), 0, 0)
      const fd = fs.openSync(file, 'r+')
      const flock = Buffer.alloc(32)
      flock.writeInt16LE(constants.F_WRLCK)
      flock.writeBigInt64LE(7n, 8)
      const locked = native.syscall(sys.fcntl, fd, constants.F_OFD_SETLK, native.address(flock))
      const asked = native.syscall(sys.fcntl, fd, constants.F_OFD_GETLK, native.address(flock))
      const found = flock.readBigInt64LE(8)
      const seek = native.syscall(sys.lseek, fd, 100, constants.SEEK_DATA)
      fs.ftruncateSync(fd, 3)
      fs.closeSync(fd)
      return {
        names: fs.readdirSync(root).sort(),
        text: fs.readFileSync(`${root}/renamed`, 'latin1'),
        same: fs.statSync(file).ino === ino,
        nlink,
        size,
        link: fs.readlinkSync(`${root}/soft`),
        set,
        got: got.toString('latin1', 0, length),
        listed,
        locked,
        asked,
        found: Number(found),
        seek,
      }
    }, path)
    assert.deepEqual(result, {
      names: ['directory', 'renamed', 'soft'],
      text: 'aaa',
      same: true,
      nlink: 2,
      size: 300_003,
      link: 'hard',
      set: 0,
      got: 'value of an attribute',
      listed: 10,
      locked: 0,
      asked: 0,
      found: 5,
      seek: 100,
    })
    assert.deepEqual(setxattrFlags, [constants.XATTR_CREATE])
    assert.equal(locks[0], `${constants.F_WRLCK}:7`)
    assert.deepEqual(log, [])
    await mounted.unmount()
    await mounted.closed
  })
