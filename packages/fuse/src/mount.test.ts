// How mounts end: clean, lazily, by force, with their process, under load.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { findMount, probeMount } from './device/index.js'
import { isolate, mountPointIn, needsRoot } from './device/isolation.test.support.js'
import type { Filesystem } from './filesystem.js'
import { mount } from './mount.js'

import { OpenFlag } from './protocol/index.js'
import {
  type Client,
  deferred,
  flat,
  openAside,
  openMountPoint,
  serveFilesystem,
  startClient,
  until,
} from './session/serve.test.support.js'

const GONE = /^(ENOTCONN|ECONNABORTED)$/
const turn = () => new Promise(setImmediate)

/** Reads wait until `answer` settles, or for ever; `begun(n)` settles when n of them have arrived. */
function waiting(answer: Promise<void>, heedsSignal = true) {
  let arrived = 0
  const events = new EventTarget()
  const methods: Filesystem = {
    open(request, reply) {
      reply.fh = request.nodeId
      reply.flags = OpenFlag.DIRECT_IO
    },
    async read(request, reply) {
      arrived++
      events.dispatchEvent(new Event('arrived'))
      await Promise.race([
        answer,
        ...(heedsSignal
          ? [once(request.signal, 'abort').then(() => Promise.reject(new Error('given up')))]
          : []),
      ])
      reply.data('0123456789')
    },
  }
  const begun = async (count: number) => {
    while (arrived < count) await once(events, 'arrived')
  }
  return { filesystem: flat({ file: { size: 10 } }, methods), begun }
}

const readIn = (client: Client, path: string) =>
  client.run(({ fs, failure }, file) => failure(() => fs.readFileSync(file)), `${path}/file`)

test('force: whoever waits for an answer gets an error, and all is let go', needsRoot, async (t) => {
  const { filesystem, begun } = waiting(new Promise(() => {}))
  const { path, mounted } = await serveFilesystem(t, filesystem)
  const clients = await Promise.all(Array.from({ length: 4 }, () => startClient(t)))
  const results = clients.map((client) => readIn(client, path))
  await begun(4)
  await mounted.unmount('force')
  for (const code of await Promise.all(results)) assert.match(code, GONE)
  await mounted.closed
  assert.equal(mounted.session.inFlight, 0)
  assert.equal(findMount(path), undefined)
})

test('clean: refused while it is in use, and nothing changes', needsRoot, async (t) => {
  const answer = deferred()
  const { filesystem, begun } = waiting(answer.promise)
  const { path, mounted } = await serveFilesystem(t, filesystem)
  const client = await startClient(t)
  const result = readIn(client, path)
  await begun(1)
  await assert.rejects(mounted.unmount(), { code: 'FUSE_UNMOUNT' })
  answer.resolve()
  assert.equal(await result, '')
  await mounted.unmount()
  await mounted.closed
})

test('lazy: the name goes at once, and who has it open is served to the end', needsRoot, async (t) => {
  const answer = deferred()
  const { filesystem, begun } = waiting(answer.promise)
  const { path, mounted } = await serveFilesystem(t, filesystem)
  const client = await startClient(t)
  const result = readIn(client, path)
  await begun(1)
  await mounted.unmount('lazy')
  assert.equal(findMount(path), undefined)
  let closed = false
  void mounted.closed.then(() => {
    closed = true
  })
  answer.resolve()
  assert.equal(await result, '')
  await mounted.closed
  assert.equal(closed, true)
})

test('force: ends what was detached before', needsRoot, async (t) => {
  const { filesystem, begun } = waiting(new Promise(() => {}))
  const { path, mounted } = await serveFilesystem(t, filesystem)
  const client = await startClient(t)
  const result = readIn(client, path)
  await begun(1)
  await mounted.unmount('lazy')
  await mounted.unmount('force')
  assert.match(await result, GONE)
  await mounted.closed
})

for (const mode of ['lazy', 'force'] as const)
  test(`${mode}: under load`, needsRoot, async (t) => {
    const filesystem = flat(
      { file: { data: Buffer.alloc(100_000, 'x') } },
      {
        async getattr(request, reply) {
          if (request.nodeId % 2 === 0) await turn()
          return plain.getattr?.(request, reply)
        },
      },
      0,
    )
    const plain = flat(filesystem.files, {}, 0)
    const { path, mounted, log } = await serveFilesystem(t, filesystem)
    const clients = await Promise.all(Array.from({ length: 3 }, () => startClient(t)))
    const results = clients.map((client) =>
      client.run(({ fs }, file) => {
        try {
          for (let n = 0; ; n++) {
            fs.statSync(file)
            if (fs.readFileSync(file).length !== 100_000) return `short ${n}`
          }
        } catch (error) {
          return String((error as NodeJS.ErrnoException).code)
        }
      }, `${path}/file`),
    )
    const { statistics } = mounted.session
    const asked = () => statistics.snapshot().find(({ operation }) => operation === 'getattr')?.count ?? 0
    await until(t, () => asked() > 300)
    await mounted.unmount(mode)
    // Without the mount, the name is not there.
    for (const code of await Promise.all(results)) assert.match(code, /^(ENOTCONN|ECONNABORTED|ENOENT)$/)
    await mounted.closed
    assert.equal(mounted.session.inFlight, 0)
    assert.deepEqual(log, [])
  })

test('a handler that never ends does not keep the mount', needsRoot, async (t) => {
  const { filesystem, begun } = waiting(new Promise(() => {}), false)
  let destroyed = false
  filesystem.destroy = () => {
    destroyed = true
  }
  const { path, mounted, log } = await serveFilesystem(t, filesystem)
  const client = await startClient(t)
  const result = readIn(client, path)
  await begun(1)
  await mounted.unmount('force')
  assert.match(await result, GONE)
  await mounted.closed
  assert.equal(destroyed, true)
  assert.match(String(log), /1 requests are still being handled/)
})

test('destroy comes after the last handler', needsRoot, async (t) => {
  const answer = deferred()
  const order: string[] = []
  const { filesystem, begun } = waiting(
    answer.promise.then(() => void order.push('handler')),
    false,
  )
  filesystem.destroy = () => void order.push('destroy')
  const { path, mounted } = await serveFilesystem(t, filesystem)
  const client = await startClient(t)
  const result = readIn(client, path)
  await begun(1)
  await mounted.unmount('force')
  assert.match(await result, GONE)
  answer.resolve()
  await mounted.closed
  assert.deepEqual(order, ['handler', 'destroy'])
})

for (const end of ['SIGKILL', 'exit'] as const)
  test(`the server ends by ${end} while clients wait`, needsRoot, async (t) => {
    const path = openMountPoint(t)
    const [server, first, second] = await Promise.all([startClient(t), startClient(t), startClient(t)])
    await server.run(async ({ load }, path) => {
      const { mount } = (await load('mount.js')) as { mount: typeof import('./mount.js').mount }
      const support = await load('session/serve.test.support.js')
      const flat = support.flat as typeof import('./session/serve.test.support.js').flat
      await mount(
        flat(
          { file: { size: 10 } },
          {
            open: (_request, reply) => {
              reply.flags = 1
            },
            read: () => {
              process.send?.('arrived')
              return new Promise(() => {})
            },
          },
        ),
        path,
      )
    }, path)
    const arrived = once(server.process, 'message')
    const results = [readIn(first, path), readIn(second, path)]
    await arrived
    if (end === 'SIGKILL') server.process.kill('SIGKILL')
    else server.run(() => process.exit(3)).catch(() => {})
    assert.equal(await server.ended, end === 'exit' ? 3 : 'SIGKILL')
    for (const code of await Promise.all(results)) assert.match(code, GONE)
    assert.equal(await probeMount(path), 'dead')
    // Whoever mounts next finds the dead one and clears it away.
    const { path: _, ...again } = await mountAt(path)
    await again.unmount()
    await again.closed
    assert.equal(findMount(path), undefined)
  })

async function mountAt(path: string) {
  const mounted = await mount(flat({}), path, { log: () => {} })
  return Object.assign(mounted, { path })
}

test('neither descriptors nor threads are left by 200 mounts', needsRoot, async (t) => {
  const path = mountPointIn(t)
  const client = await startClient(t)
  const count = (what: 'fd' | 'task') => readdirSync(`/proc/self/${what}`).length
  let descriptors = 0
  let threads = 0
  for (let n = 0; n < 200; n++) {
    const mounted = await mount(flat({ file: { data: Buffer.from('text') } }), path)
    if (n % 20 === 0) await client.run(({ fs }, file) => fs.readFileSync(file), `${path}/file`)
    mounted.session.notifier.invalidateInode(2)
    await mounted.unmount(n % 3 === 0 ? 'force' : n % 3 === 1 ? 'lazy' : 'clean')
    await mounted.closed
    if (n > 2) continue
    descriptors = count('fd')
    threads = count('task')
  }
  await until(t, () => count('fd') <= descriptors)
  // The pool starts its threads when it needs them, and keeps them.
  const POOL = 17
  await until(t, () => count('task') <= threads + POOL)
})

async function startWorker(data: object): Promise<Worker> {
  const worker = new Worker(new URL('./mount-worker.test.support.js', import.meta.url), { workerData: data })
  await Promise.race([
    once(worker, 'message'),
    once(worker, 'error').then(([error]) => Promise.reject(error)),
  ])
  return worker
}

test('a worker thread mounts, serves and ends, twice', needsRoot, async (t) => {
  const path = mountPointIn(t)
  const client = await startClient(t)
  const threads = () => readdirSync('/proc/self/task').length
  let before = 0
  for (let n = 0; n < 4; n++) {
    const worker = await startWorker({ path })
    const text = await client.run(({ fs }, file) => fs.readFileSync(file, 'latin1'), `${path}/file`)
    assert.equal(text, 'from a worker')
    const exited = once(worker, 'exit')
    worker.postMessage('unmount')
    assert.deepEqual(await exited, [0])
    assert.equal(findMount(path), undefined)
    if (n === 1) before = threads()
  }
  await until(t, () => threads() <= before)
})

test('a worker is terminated while a thread of its own reads', needsRoot, async (t) => {
  isolate()
  const begun = deferred()
  const { path: behind } = await serveFilesystem(
    t,
    flat(
      { file: { size: 10 } },
      {
        open(_request, reply) {
          reply.flags = OpenFlag.DIRECT_IO
        },
        read(request) {
          begun.resolve()
          return once(request.signal, 'abort').then(() => Promise.reject(request.signal.reason))
        },
      },
    ),
  )
  const stalled = await openAside(t, `${behind}/file`)
  const path = mountPointIn(t)
  const [client] = await Promise.all([startClient(t)])
  const worker = await startWorker({ path, stalled })
  const result = client.run(
    ({ fs, failure }, file) => failure(() => fs.readFileSync(file)),
    `${path}/stalled`,
  )
  await begun.promise
  // The thread's read(2) is interrupted, so that its memory can go with the worker.
  await worker.terminate()
  // Descriptors belong to the process: the mount is there, and nobody serves it any more.
  const entry = findMount(path)
  assert.ok(entry)
  const { abortConnection, connectionOf } = await import('./device/index.js')
  abortConnection(connectionOf(entry))
  assert.match(await result, GONE)
})

test('a session that was stopped answers no more', needsRoot, async (t) => {
  const { path, mounted } = await serveFilesystem(t, flat({ file: { size: 1 } }, {}, 0))
  const client = await startClient(t)
  mounted.session.stop()
  mounted.session.stop()
  await mounted.closed
  const code = await client.run(({ fs, failure }, file) => failure(() => fs.statSync(file)), `${path}/file`)
  assert.match(code, GONE)
})
