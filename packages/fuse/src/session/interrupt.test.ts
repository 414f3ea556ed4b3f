// Signals to processes that wait for an answer.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { needsRoot } from '../device/isolation.test.support.js'
import type { Filesystem } from '../filesystem.js'
import { errno } from '../native.js'
import { OpenFlag, type Request } from '../protocol/index.js'
import type { Tools } from './client-main.test.support.js'
import {
  type Client,
  deferred,
  flat,
  openAside,
  serveFilesystem,
  startClient,
  until,
} from './serve.test.support.js'

/** A handler's work: tells that it has begun, and ends when its caller gives up. */
function slow() {
  const begun = deferred()
  const aborted = deferred()
  const work = (request: Request): Promise<void> => {
    begun.resolve()
    return new Promise((_, reject) => {
      request.signal.addEventListener('abort', () => {
        aborted.resolve()
        reject(request.signal.reason)
      })
    })
  }
  return { begun: begun.promise, aborted: aborted.promise, work }
}

const directIo: Filesystem = {
  open(request, reply) {
    reply.fh = request.nodeId
    reply.flags = OpenFlag.DIRECT_IO
  },
}

/** Makes the process live through SIGINT, and reads from a file; returns what read(2) does. */
function readCatching(client: Client, file: string): Promise<number> {
  return client.run(({ fs, native, sys }, path) => {
    process.on('SIGINT', () => {})
    const fd = fs.openSync(path, 'r')
    const buffer = Buffer.alloc(4096)
    const result = native.syscall(sys.read, fd, native.address(buffer), 4096)
    fs.closeSync(fd)
    return result
  }, file)
}

test('a signal ends a slow read, and the process', needsRoot, async (t) => {
  const { begun, aborted, work } = slow()
  const { path, mounted, log } = await serveFilesystem(
    t,
    flat({ file: { size: 10 } }, { ...directIo, read: work }),
  )
  const client = await startClient(t)
  client.run(({ fs }, file) => fs.readFileSync(file), `${path}/file`).catch(() => {})
  await begun
  client.process.kill('SIGINT')
  assert.equal(await client.ended, 'SIGINT')
  await aborted
  assert.equal(mounted.session.inFlight, 0)
  assert.deepEqual(log, [])
})

test('a read whose signal is caught fails with EINTR', needsRoot, async (t) => {
  const { begun, work } = slow()
  const { path } = await serveFilesystem(t, flat({ file: { size: 10 } }, { ...directIo, read: work }))
  const client = await startClient(t)
  const result = readCatching(client, `${path}/file`)
  await begun
  client.process.kill('SIGINT')
  assert.equal(await result, -errno.EINTR)
})

test('a signal ends a slow lookup', needsRoot, async (t) => {
  const { begun, aborted, work } = slow()
  const { path } = await serveFilesystem(t, flat({}, { lookup: work }))
  const client = await startClient(t)
  client.run(({ fs }, file) => fs.statSync(file), `${path}/file`).catch(() => {})
  await begun
  client.process.kill('SIGTERM')
  assert.equal(await client.ended, 'SIGTERM')
  await aborted
})

test('a signal ends the wait for a lock', needsRoot, async (t) => {
  const { begun, aborted, work } = slow()
  const filesystem = flat({ file: { size: 10 } }, { setlk: () => {}, setlkw: work })
  const { path } = await serveFilesystem(t, filesystem)
  const client = await startClient(t)
  const locking = ({ fs, native, sys, constants }: Tools, file: string) => {
    const flock = Buffer.alloc(32)
    flock.writeInt16LE(constants.F_WRLCK)
    const fd = fs.openSync(file, 'r+')
    return native.syscall(sys.fcntl, fd, constants.F_OFD_SETLKW, native.address(flock))
  }
  client.run(locking, `${path}/file`).catch(() => {})
  await begun
  // A signal that is caught would not do: the kernel goes on waiting for a lock afterwards.
  client.process.kill('SIGKILL')
  await aborted
  assert.equal(await client.ended, 'SIGKILL')
})

test('a handler that takes no notice of a signal still answers', needsRoot, async (t) => {
  const begun = deferred()
  const answer = deferred()
  const filesystem = flat(
    { file: { size: 10 } },
    {
      ...directIo,
      async read(_request, reply) {
        begun.resolve()
        await answer.promise
        reply.data('0123456789')
      },
    },
  )
  const { path, mounted } = await serveFilesystem(t, filesystem)
  const client = await startClient(t)
  const result = readCatching(client, `${path}/file`)
  await begun.promise
  client.process.kill('SIGINT')
  // The session sees the interrupt before it sees this other request.
  const other = await startClient(t)
  await other.run(({ fs }, file) => fs.existsSync(file), `${path}/none`)
  assert.equal(mounted.session.inFlight, 1)
  answer.resolve()
  assert.equal(await result, 10)
})

test('signals at any moment harm no request', needsRoot, async (t) => {
  const filesystem = flat(
    { file: { size: 4096 } },
    {
      ...directIo,
      async read(request, reply) {
        for (let turn = request.offset % 3; turn > 0; turn--) await new Promise(setImmediate)
        reply.data(Buffer.alloc(request.size, request.offset % 251))
      },
    },
  )
  const { path, log } = await serveFilesystem(t, filesystem)
  const client = await startClient(t)
  await client.run(() => void process.on('SIGINT', () => {}))
  const done = client.run(({ fs, native, sys }, file) => {
    const fd = fs.openSync(file, 'r')
    const buffer = Buffer.alloc(64)
    let wrong = 0
    for (let n = 0; n < 5000; n++) {
      const result = native.syscall(sys.pread64, fd, native.address(buffer), 64, n)
      if (result !== 64 || !buffer.every((byte) => byte === n % 251)) wrong++
    }
    return wrong
  }, `${path}/file`)
  let running = true
  const signals = (async () => {
    while (running) {
      client.process.kill('SIGINT')
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  })()
  assert.equal(await done, 0)
  running = false
  await signals
  assert.deepEqual(log, [])
})

test('who is killed while a thread reads a file for it need not wait for that', needsRoot, async (t) => {
  const begun = deferred()
  const answer = deferred()
  const stalled = await serveFilesystem(
    t,
    flat(
      { file: { size: 10 } },
      {
        ...directIo,
        async read(_request, reply) {
          begun.resolve()
          await answer.promise
          reply.data('0123456789')
        },
      },
    ),
  )
  const fd = await openAside(t, `${stalled.path}/file`)
  let sent = 0
  const front = await serveFilesystem(
    t,
    flat(
      { file: { size: 10 } },
      {
        ...directIo,
        read(_request, reply) {
          reply.descriptor(fd, 0, 10)
          reply.onSent(() => sent++)
        },
      },
    ),
  )
  const client = await startClient(t)
  client.run(({ fs }, file) => fs.readFileSync(file), `${front.path}/file`).catch(() => {})
  await begun.promise
  client.process.kill('SIGKILL')
  assert.equal(await client.ended, 'SIGKILL')
  assert.equal(front.mounted.session.inFlight, 1, 'its memory is still in use')
  assert.equal(sent, 0)
  answer.resolve()
  await until(t, () => front.mounted.session.inFlight === 0)
  assert.equal(sent, 1)
  assert.deepEqual(front.log, [])
})
