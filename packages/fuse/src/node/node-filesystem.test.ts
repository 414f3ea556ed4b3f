import assert from 'node:assert/strict'
import { test } from 'node:test'
import { needsRoot } from '../device/isolation.test.support.js'
import { FilesystemError } from '../errors.js'
import { errno } from '../native.js'
import { AttrReply, GetattrRequest, Message, Opcode, OpenReply, OpenRequest } from '../protocol/index.js'
import { serveFilesystem, startClient, until } from '../session/serve.test.support.js'
import { directory, file, memory } from './memory.test.support.js'
import { ObjectHandles, ObjectNodes } from './tables.js'

test('names of one file are one node', needsRoot, async (t) => {
  const shared = file('shared')
  const { filesystem, nodes } = memory(directory({ a: shared, b: shared, d: directory() }))
  const { path } = await serveFilesystem(t, filesystem)
  const client = await startClient(t)
  const result = await client.run(({ fs }, root) => {
    const [a, b] = ['a', 'b'].map((name) => fs.statSync(`${root}/${name}`))
    fs.linkSync(`${root}/a`, `${root}/d/c`)
    const fd = fs.openSync(`${root}/a`, 'r')
    const linked = ['a', 'b', 'd/c'].map((name) => fs.statSync(`${root}/${name}`))
    for (const name of ['a', 'b']) fs.unlinkSync(`${root}/${name}`)
    const text = fs.readFileSync(`${root}/d/c`, 'latin1')
    fs.unlinkSync(`${root}/d/c`)
    // Open, and without a name.
    const last = { nlink: fs.fstatSync(fd).nlink, text: fs.readFileSync(fd, 'latin1') }
    fs.closeSync(fd)
    return {
      same: a.ino === b.ino && new Set(linked.map(({ ino }) => ino)).size === 1,
      nlinks: linked.map(({ nlink }) => nlink),
      text,
      last,
    }
  }, path)
  assert.deepEqual(result.same, true)
  assert.deepEqual(result.nlinks, [2, 2, 2])
  assert.deepEqual([result.text, result.last.text], ['shared', 'shared'])
  await client.run(({ forgetUnused }, mountpoint) => forgetUnused(mountpoint), path)
  await until(t, () => nodes.idOf(shared) === undefined)
})

test(
  'lookups are counted, by whatever the kernel learnt of a node, and all are given back',
  needsRoot,
  async (t) => {
    const root = directory()
    for (let d = 0; d < 10; d++) {
      const sub = directory()
      root.children.set(`d${d}`, sub)
      for (let f = 0; f < 50; f++) sub.children.set(`f${f}`, file(`${d} ${f}`))
    }
    const made = memory(root)
    const { path, log } = await serveFilesystem(t, made.filesystem, { features: { readdirplus: 'auto' } })
    const clients = await Promise.all(Array.from({ length: 3 }, () => startClient(t)))
    await Promise.all(
      clients.map((client, seed) =>
        client.run(
          ({ fs, failure, forgetUnused }, root, seed) => {
            let state = seed + 1
            const random = (below: number) => {
              state = (state * 1103515245 + 12345) & 0x7fffffff
              return (state >> 8) % below
            }
            for (let n = 0; n < 1500; n++) {
              const d = `${root}/d${random(10)}`
              const f = `${d}/f${random(50)}`
              const what = random(100)
              if (what < 40) failure(() => fs.statSync(f))
              else if (what < 55) fs.readdirSync(d)
              else if (what < 65)
                for (const name of fs.readdirSync(d)) failure(() => fs.statSync(`${d}/${name}`))
              else if (what < 75) failure(() => fs.readFileSync(f))
              else if (what < 80) failure(() => fs.linkSync(f, `${d}/l${random(50)}`))
              else if (what < 85) failure(() => fs.unlinkSync(`${d}/l${random(50)}`))
              else if (what < 90) failure(() => fs.writeFileSync(`${d}/n${random(9)}`, ''))
              else if (what < 95) failure(() => fs.mkdirSync(`${d}/s${random(1000)}`))
              else if (what < 96) forgetUnused(root)
              else failure(() => fs.statSync(`${d}/none`))
            }
          },
          path,
          seed,
        ),
      ),
    )
    assert.ok(made.filesystem.nodeCount > 1)
    await clients[0].run(({ forgetUnused }, mountpoint) => forgetUnused(mountpoint), path)
    await until(t, () => made.filesystem.nodeCount === 1)
    assert.equal(made.filesystem.handleCount, 0)
    assert.equal(new Set(made.forgotten.map((node) => made.nodes.idOf(node))).size, 1)
    assert.deepEqual(log, [])
  },
)

test('the table of nodes counts as a model of it does', () => {
  const root = {}
  const objects = Array.from({ length: 20 }, () => ({}))
  let forgotten = 0
  const nodes = new ObjectNodes<object>(root, () => forgotten++)
  const counts = new Map<object, number>()
  const used = new Map<number, Set<number>>()
  let state = 7
  const random = (below: number) => {
    state = (state * 1103515245 + 12345) & 0x7fffffff
    return (state >> 8) % below
  }
  let expectedForgotten = 0
  for (let n = 0; n < 20_000; n++) {
    const object = objects[random(20)]
    const id = nodes.idOf(object)
    if (random(2) === 0 || id === undefined) {
      const remembered = nodes.remember(object)
      if (id !== undefined) assert.equal(remembered, id)
      else {
        const generations = used.get(remembered) ?? new Set()
        assert.ok(
          !generations.has(nodes.generation(remembered)),
          'a number that is used again has another generation',
        )
        used.set(remembered, generations.add(nodes.generation(remembered)))
      }
      counts.set(object, (counts.get(object) ?? 0) + 1)
      assert.equal(nodes.get(remembered), object)
    } else {
      const count = counts.get(object) as number
      const back = 1 + random(count)
      nodes.forget(id, back)
      counts.set(object, count - back)
      if (count === back) {
        counts.delete(object)
        expectedForgotten++
        assert.equal(nodes.get(id), undefined)
        assert.equal(nodes.idOf(object), undefined)
      }
    }
    assert.equal(nodes.size, counts.size + 1)
  }
  assert.equal(forgotten, expectedForgotten)
  nodes.forget(1, 1000)
  assert.equal(nodes.get(1), root)
})

test('a node that was forgotten is stale', () => {
  const { filesystem, nodes, root } = memory(directory({ a: file() }))
  const id = nodes.remember(root.children.get('a') as ReturnType<typeof file>)
  const message = new Message(4096)
  const ask = () => {
    message.input.set([56, Opcode.GETATTR, 1, 0, id, 0])
    message.begin(56)
    filesystem.getattr(new GetattrRequest(message), new AttrReply(message))
    return message.output[1] | 0
  }
  assert.equal(ask(), 0)
  nodes.forget(id, 1)
  assert.equal(ask(), -errno.ESTALE)
  message.begin(48)
  void filesystem.open(new OpenRequest(message), new OpenReply(message))
  assert.equal(message.output[1] | 0, -errno.ESTALE)
})

test('opens that fail keep no handle, and releases that fail let theirs go', needsRoot, async (t) => {
  const names = [
    'ok',
    'failed',
    'failedLater',
    'thrown',
    'thrownLater',
    'release',
    'releaseLater',
    'directory',
  ]
  const root = directory()
  for (const name of names) root.children.set(name, name === 'directory' ? directory() : file('text'))
  const is = (node: object, name: string) => root.children.get(name) === node
  const made = memory(root, {
    open(node, _request, reply) {
      if (is(node, 'failed')) reply.fail(errno.EACCES)
      if (is(node, 'failedLater'))
        return Promise.resolve(node).then(() => {
          reply.fail(errno.EACCES)
          return node
        })
      if (is(node, 'thrown')) throw new FilesystemError('EACCES')
      if (is(node, 'thrownLater')) return Promise.reject(new FilesystemError('EACCES'))
      return node
    },
    create(_parent, _request, reply) {
      reply.fail(errno.EDQUOT)
      return { node: root, handle: root }
    },
    opendir(node, _request, reply) {
      if (is(node, 'directory')) reply.fail(errno.EACCES)
      return node
    },
    release(node) {
      if (is(node, 'release')) throw new FilesystemError('EIO')
      return is(node, 'releaseLater') ? Promise.reject(new FilesystemError('EIO')) : undefined
    },
  })
  const { path, mounted } = await serveFilesystem(t, made.filesystem)
  const client = await startClient(t)
  const codes = await client.run(
    ({ fs, failure }, root, names) => [
      ...names.map((name) => failure(() => fs.closeSync(fs.openSync(`${root}/${name}`, 'r')))),
      failure(() => fs.writeFileSync(`${root}/new`, '')),
    ],
    path,
    names,
  )
  assert.deepEqual(codes, ['', 'EACCES', 'EACCES', 'EACCES', 'EACCES', '', '', 'EACCES', 'EDQUOT'])
  await mounted.unmount()
  await mounted.closed
  assert.equal(made.filesystem.handleCount, 0)
})

test('nothing is a handle too', () => {
  const handles = new ObjectHandles<string | undefined>()
  const [a, b] = [handles.open(undefined), handles.open('b')]
  assert.notEqual(a, b)
  assert.deepEqual([handles.get(a), handles.get(b), handles.size], [undefined, 'b', 2])
  handles.close(a)
  handles.close(a)
  handles.close(99)
  assert.equal(handles.size, 1)
  assert.equal(handles.open('c'), a)
  assert.notEqual(handles.open('d'), a)
})

test('names are bytes', needsRoot, async (t) => {
  const odd = Buffer.from([0x66, 0xff, 0xfe, 0x80, 0x0a, 0x20])
  const root = directory({ [odd.toString('latin1')]: file('odd') })
  const { filesystem } = memory(root)
  const { path } = await serveFilesystem(t, filesystem)
  const client = await startClient(t)
  const result = await client.run(
    ({ fs }, root, odd) => {
      const at = (name: Uint8Array) => Buffer.concat([Buffer.from(`${root}/`), name])
      const text = fs.readFileSync(at(odd), 'latin1')
      fs.writeFileSync(at(Buffer.from([0xc3, 0x28])), '')
      fs.unlinkSync(at(odd))
      return { text, names: fs.readdirSync(root, { encoding: 'buffer' }).map((name) => [...name]) }
    },
    path,
    odd,
  )
  assert.deepEqual(result, { text: 'odd', names: [[0xc3, 0x28]] })
  assert.deepEqual([...root.children.keys()], ['\xc3('])
})

test('a directory’s ioctl and fsync get its own handle', needsRoot, async (t) => {
  const handles: unknown[] = []
  const sub = directory()
  const made = memory(directory({ sub, file: file() }), {
    opendir: (node) => node,
    fsyncdir: (_node, handle) => void handles.push(handle),
    ioctl(_node, handle, _request, reply) {
      handles.push(handle)
      reply.result = 0
    },
  })
  const { path } = await serveFilesystem(t, made.filesystem)
  const client = await startClient(t)
  const result = await client.run(({ fs, native, sys }, root) => {
    const other = fs.openSync(`${root}/file`, 'r')
    const fd = fs.openSync(`${root}/sub`, 'r')
    fs.fsyncSync(fd)
    const value = Buffer.alloc(8)
    // _IOR('h', 1, long)
    return [native.syscall(sys.ioctl, fd, 0x80086801, native.address(value)), other > 0]
  }, path)
  assert.deepEqual(result, [0, true])
  assert.deepEqual(handles, [sub, sub])
})
