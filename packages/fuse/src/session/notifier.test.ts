// What a client that keeps everything for ever sees of notifications.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { needsRoot } from '../device/isolation.test.support.js'
import type { PollRequest } from '../protocol/index.js'
import { deferred, flat, nodeOf, ROOT, serveFilesystem, startClient, until } from './serve.test.support.js'

/** Kept by a client process from one call to the next. */
interface Kept {
  names: string[]
  named: () => void
}

test('a file’s attributes and ranges of its data', needsRoot, async (t) => {
  const files = { file: { data: Buffer.alloc(3 * 4096, 'a') } }
  const { path, host } = await serveFilesystem(t, flat(files))
  const { notifier } = host
  const client = await startClient(t)
  const seen = () =>
    client.run(({ fs }, file) => {
      const text = fs.readFileSync(file, 'latin1')
      return { size: fs.statSync(file).size, pages: [text[0], text[4096], text[8192]].join('') }
    }, `${path}/file`)
  assert.deepEqual(await seen(), { size: 12288, pages: 'aaa' })
  files.file.data = Buffer.alloc(3 * 4096, 'b')
  assert.equal((await seen()).pages, 'aaa')
  notifier.invalidateInode(nodeOf(0), 4096, 4096)
  await notifier.flush()
  assert.equal((await seen()).pages, 'aba')
  notifier.invalidateInode(nodeOf(0), 8192)
  await notifier.flush()
  assert.equal((await seen()).pages, 'abb')
  files.file.data = Buffer.alloc(4 * 4096, 'c')
  assert.equal((await seen()).size, 12288)
  notifier.invalidateAttributes(nodeOf(0))
  await notifier.flush()
  assert.equal((await seen()).size, 16384)
})

test('names are dropped, expired and deleted', needsRoot, async (t) => {
  const filesystem = flat({ one: { size: 1 }, two: { size: 2 }, three: { size: 3 }, four: { size: 4 } })
  const { path, host, log } = await serveFilesystem(t, filesystem)
  const { notifier } = host
  const client = await startClient(t)
  const lookups = async (name: string) => {
    filesystem.seen.length = 0
    await client.run(({ fs }, file) => fs.statSync(file), `${path}/${name}`)
    return filesystem.seen.filter((what) => what === `lookup:${name}`).length
  }
  const names = ['one', 'two', 'three', 'four']
  for (const name of names) assert.equal(await lookups(name), 1)
  for (const name of names) assert.equal(await lookups(name), 0)
  notifier.invalidateEntry(ROOT, 'one')
  await notifier.flush()
  assert.deepEqual([await lookups('one'), await lookups('two')], [1, 0])
  notifier.expireEntry(ROOT, Buffer.from('two'))
  await notifier.flush()
  assert.deepEqual([await lookups('two'), await lookups('one')], [1, 0])
  // Not cached: no error, and no line in the log.
  notifier.invalidateEntry(ROOT, 'unknown')
  notifier.invalidateInode(4711)

  await client.run(({ fs }, file) => {
    const kept = globalThis as unknown as Kept
    kept.names = []
    fs.watch(file, (_, name) => {
      kept.names.push(String(name))
      kept.named?.()
    })
  }, `${path}/three`)
  notifier.deleteEntry(ROOT, nodeOf(2), 'three')
  await notifier.flush()
  const deleted = await client.run(
    () =>
      new Promise<string>((resolve) => {
        const kept = globalThis as unknown as Kept
        kept.named = () => kept.names.length > 0 && resolve(kept.names[0])
        kept.named()
      }),
  )
  assert.equal(deleted, 'three')
  assert.deepEqual([await lookups('three'), await lookups('four')], [1, 0])

  notifier.incrementEpoch()
  await notifier.flush()
  assert.deepEqual([await lookups('one'), await lookups('four')], [1, 1])
  assert.deepEqual(log, [])
})

test('bytes are put into the page cache, and got from there', needsRoot, async (t) => {
  const filesystem = flat({ file: { size: 1 << 20 } })
  const { path, host } = await serveFilesystem(t, filesystem)
  const { notifier } = host
  const client = await startClient(t)
  await client.run(({ fs }, file) => fs.statSync(file), `${path}/file`)
  assert.equal((await notifier.retrieve(nodeOf(0), 0, 4096)).length, 0)
  const data = Buffer.from(Array.from({ length: 1 << 20 }, (_, n) => (n >> 8) % 251))
  notifier.store(nodeOf(0), 0, data)
  await notifier.flush()
  filesystem.seen.length = 0
  const read = await client.run(({ fs }, file) => fs.readFileSync(file), `${path}/file`)
  assert.ok(data.equals(read))
  assert.deepEqual(
    filesystem.seen.filter((what) => what.startsWith('read')),
    [],
  )
  const [all, some] = await Promise.all([
    notifier.retrieve(nodeOf(0), 0, 1 << 20),
    notifier.retrieve(nodeOf(0), 5000, 10_000),
  ])
  assert.ok(data.subarray(5000, 15_000).equals(some))
  // The kernel may give less than was asked for, but nothing else.
  assert.ok(all.length > 0 && data.subarray(0, all.length).equals(all))
  assert.equal((await notifier.retrieve(4711, 0, 10)).length, 0)
})

test('nodes that nobody uses are forgotten on request', needsRoot, async (t) => {
  const forgotten: number[] = []
  const filesystem = flat(
    { one: { size: 1 }, two: { size: 2 } },
    { forget: (nodeId, count) => void forgotten.push(nodeId, count) },
  )
  const { path, host } = await serveFilesystem(t, filesystem)
  const client = await startClient(t)
  await client.run(({ fs }, root) => [fs.statSync(`${root}/one`), fs.statSync(`${root}/two`)], path)
  host.notifier.prune([nodeOf(1)])
  await host.notifier.flush()
  await until(t, () => forgotten.length > 0)
  assert.deepEqual(forgotten, [nodeOf(1), 1])
})

test('requests are sent once more, and answered once', needsRoot, async (t) => {
  const answers = [deferred(), deferred()]
  const resent: boolean[] = []
  const begun = deferred()
  let calls = 0
  const filesystem = flat(
    { one: { size: 5 }, two: { size: 5 } },
    {
      async read(request, reply) {
        if (++calls === 2) begun.resolve()
        await answers[request.nodeId - 2].promise
        resent.push((request.message.output[3] & 0x80000000) !== 0)
        reply.data('bytes')
      },
    },
  )
  const { path, host, mounted } = await serveFilesystem(t, filesystem)
  const [asks, ...clients] = await Promise.all([startClient(t), startClient(t), startClient(t)])
  const read = (index: number) =>
    clients[index].run(({ fs }, file) => fs.readFileSync(file, 'latin1'), `${path}/${['one', 'two'][index]}`)
  const texts = [read(0), read(1)]
  await begun.promise
  for (let times = 0; times < 3; times++) {
    host.notifier.resend()
    await host.notifier.flush()
    // Who asks later is answered later.
    await asks.run(({ fs }, file) => fs.statSync(file).size, `${path}/one`)
  }
  answers[0].resolve()
  assert.equal(await texts[0], 'bytes')
  answers[1].resolve()
  assert.equal(await texts[1], 'bytes')
  assert.equal(calls, 2, 'what a handler is working on is not handled again')
  assert.deepEqual(resent, [true, true])
  assert.equal(mounted.session.inFlight, 0)
})

test('poll waits until a file is ready', needsRoot, async (t) => {
  const asked = deferred<number>()
  let ready = 0
  const filesystem = flat(
    { file: { size: 5 } },
    {
      poll(request: PollRequest, reply) {
        reply.events = ready
        if (request.pollHandle) asked.resolve(request.pollHandle)
      },
    },
  )
  const { path, host } = await serveFilesystem(t, filesystem)
  const client = await startClient(t)
  const polled = client.run(
    ({ fs, native }, file) =>
      new Promise<string>((resolve) => {
        const watch = native.watch(fs.openSync(file, 'r'), () => {
          if (typeof watch !== 'number') native.watchClose(watch)
          resolve('ready')
        })
      }),
    `${path}/file`,
  )
  const handle = await asked.promise
  ready = 1
  host.notifier.poll(handle)
  assert.equal(await polled, 'ready')
})

test('a handler may notify of what it is working on', needsRoot, async (t) => {
  const files: Record<string, { size: number }> = { file: { size: 1 }, other: { size: 2 } }
  const filesystem = flat(files, {
    async setattr(request, reply) {
      host.notifier.invalidateInode(request.nodeId)
      reply.attr.set({ ino: request.nodeId, mode: 0o100644, size: 0 })
    },
    unlink(request) {
      host.notifier.invalidateEntry(request.nodeId, String(request.name))
      host.notifier.deleteEntry(request.nodeId, nodeOf(0), String(request.name))
      host.notifier.invalidateInode(request.nodeId)
    },
    async mkdir(request, reply) {
      host.notifier.invalidateEntry(request.nodeId, String(request.name))
      host.notifier.store(nodeOf(0), 0, Buffer.alloc(10))
      host.notifier.incrementEpoch()
      await new Promise(setImmediate)
      reply.nodeId = 100
      reply.attr.set({ ino: 100, mode: 0o40755 })
    },
  })
  const { path, host, log } = await serveFilesystem(t, filesystem)
  const client = await startClient(t)
  const done = await client.run(({ fs }, root) => {
    for (let n = 0; n < 200; n++) {
      fs.truncateSync(`${root}/file`, 0)
      fs.mkdirSync(`${root}/directory${n}`)
      fs.unlinkSync(`${root}/file`)
    }
    return 'done'
  }, path)
  assert.equal(done, 'done')
  await host.notifier.flush()
  assert.deepEqual(log, [])
})

test('a flood of 100 000 notifications', needsRoot, async (t) => {
  const filesystem = flat({ file: { size: 1 } })
  const { path, host, log } = await serveFilesystem(t, filesystem)
  const client = await startClient(t)
  const see = () => client.run(({ fs }, file) => fs.statSync(file).size, `${path}/file`)
  assert.equal(await see(), 1)
  for (let n = 0; n < 100_000; n++) host.notifier.invalidateEntry(ROOT, `name${n}`)
  filesystem.files.file = { size: 2 }
  host.notifier.invalidateInode(nodeOf(0))
  // Requests are answered meanwhile.
  assert.equal(await client.run(({ fs }, file) => fs.existsSync(file), `${path}/none`), false)
  await host.notifier.flush()
  assert.equal(await see(), 2)
  assert.deepEqual(log, [])
})

test('the descriptor stays open while a notification waits for the kernel', needsRoot, async (t) => {
  const begun = deferred()
  const answer = deferred()
  const filesystem = flat(
    { file: { size: 1 } },
    {
      async unlink() {
        begun.resolve()
        await answer.promise
      },
    },
  )
  const { path, host, mounted } = await serveFilesystem(t, filesystem)
  const client = await startClient(t)
  const unlinked = client.run(({ fs, failure }, file) => failure(() => fs.unlinkSync(file)), `${path}/file`)
  await begun.promise
  // Waits for the directory, which unlink(2) has locked.
  host.notifier.invalidateEntry(ROOT, 'file')
  mounted.session.stop()
  answer.resolve()
  let closed = false
  void mounted.closed.then(() => {
    closed = true
  })
  // Requests and answers of another mount pass in the meantime.
  const [other, user] = await Promise.all([serveFilesystem(t, flat({})), startClient(t)])
  for (let n = 0; n < 20; n++) await user.run(({ fs }, path) => fs.existsSync(`${path}/x`), other.path)
  assert.equal(closed, false)
  await mounted.unmount('force')
  assert.match(await unlinked, /ENOTCONN|ECONNABORTED/)
  await mounted.closed
})
