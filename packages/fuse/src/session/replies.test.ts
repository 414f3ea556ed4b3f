// Replies that are not in the message's own memory: gathered buffers, ranges of descriptors; and when they are let go.
import assert from 'node:assert/strict'
import { openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { needsRoot, temporaryDirectory } from '../device/isolation.test.support.js'
import type { Result } from '../filesystem.js'
import { OpenFlag, RangeRead, type ReadReply, type ReadRequest } from '../protocol/index.js'
import {
  deferred,
  type FlatFile,
  flat,
  openAside,
  serveFilesystem,
  startClient,
} from './serve.test.support.js'

const SIZE = 200_000
const data = Buffer.from(Array.from({ length: SIZE }, (_, n) => (n * 7) % 251))

/** A mount of files that are read by handlers of their own, a read(2) a request. */
function readable(reads: Record<string, (request: ReadRequest, reply: ReadReply) => Result>) {
  const names = Object.keys(reads)
  const files = Object.fromEntries(names.map((name): [string, FlatFile] => [name, { size: SIZE }]))
  return flat(files, {
    open(request, reply) {
      reply.fh = request.nodeId
      reply.flags = OpenFlag.DIRECT_IO
    },
    read: (request, reply) => reads[names[request.nodeId - 2]](request, reply),
  })
}

const wanted = ({ offset, size }: ReadRequest) => data.subarray(offset, offset + size)
const pieces = (bytes: Buffer, size: number) =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) => bytes.subarray(n * size, (n + 1) * size))

test('payloads in place, copied, gathered, by handlers that wait and that do not', needsRoot, async (t) => {
  const ways: Record<string, (request: ReadRequest, reply: ReadReply) => void> = {
    inPlace: (request, reply) => reply.inPlace(wanted(request).copy(reply.payload)),
    one: (request, reply) => reply.data(wanted(request)),
    many: (request, reply) => reply.data(pieces(wanted(request), 777)),
    tooMany: (request, reply) => reply.data(pieces(wanted(request), 50)),
    empty: (_, reply) => reply.data([]),
    longThenShort: (request, reply) => {
      reply.data(Buffer.alloc(20_000))
      reply.data(wanted(request).subarray(0, 100))
    },
    shortThenLong: (request, reply) => {
      reply.data('short')
      reply.data(pieces(wanted(request), 30_000))
    },
    rangeThenShort: (_, reply) => {
      reply.descriptor(0, 0, 10)
      reply.data('0123456789')
    },
  }
  const later = Object.entries(ways).map(
    ([name, way]): [string, (request: ReadRequest, reply: ReadReply) => Result] => [
      `${name}Later`,
      async (request, reply) => {
        await new Promise(setImmediate)
        way(request, reply)
      },
    ],
  )
  const { path, mounted, log } = await serveFilesystem(t, readable({ ...ways, ...Object.fromEntries(later) }))
  const client = await startClient(t)
  for (const name of Object.keys(ways)) {
    for (const file of [name, `${name}Later`]) {
      const read = await client.run(({ fs }, file) => {
        const buffer = Buffer.alloc(150_000)
        const fd = fs.openSync(file, 'r')
        const length = fs.readSync(fd, buffer, 0, buffer.length, 1000)
        fs.closeSync(fd)
        return buffer.subarray(0, length)
      }, `${path}/${file}`)
      const expected =
        name === 'empty'
          ? Buffer.alloc(0)
          : name === 'longThenShort'
            ? data.subarray(1000, 1100)
            : name === 'rangeThenShort'
              ? Buffer.from('0123456789')
              : data.subarray(1000, 151_000)
      assert.ok(expected.equals(read), `${file}: ${read.length} bytes`)
    }
  }
  assert.equal(mounted.session.inFlight, 0)
  assert.deepEqual(log, [])
})

test('ranges of a descriptor, and its end', needsRoot, async (t) => {
  const file = join(temporaryDirectory(t), 'data')
  writeFileSync(file, data)
  const fd = openSync(file, 'r')
  const reads = Object.entries(RangeRead).flatMap(([name, how]) => [
    [
      name,
      ({ offset, size }: ReadRequest, reply: ReadReply) => reply.descriptor(fd, offset, size, how),
    ] as const,
    [
      `${name}Later`,
      async ({ offset, size }: ReadRequest, reply: ReadReply) => {
        await new Promise(setImmediate)
        reply.descriptor(fd, offset, size, how)
      },
    ] as const,
  ])
  reads.push(['nothing', (_, reply) => reply.descriptor(fd, 0, 0)])
  const { path, mounted, log } = await serveFilesystem(t, readable(Object.fromEntries(reads)))
  const client = await startClient(t)
  for (const [name] of reads) {
    const read = await client.run(({ fs }, path) => {
      const fd = fs.openSync(path, 'r')
      const at = (offset: number) => {
        const buffer = Buffer.alloc(100_000)
        return buffer.subarray(0, fs.readSync(fd, buffer, 0, buffer.length, offset))
      }
      const result = [at(0), at(150_000), at(199_999), at(200_000), at(1_000_000)]
      fs.closeSync(fd)
      return result
    }, `${path}/${name}`)
    const expected = [0, 150_000, 199_999, 200_000, 1_000_000].map((at) =>
      name === 'nothing' ? Buffer.alloc(0) : data.subarray(at, at + 100_000),
    )
    for (const [index, bytes] of expected.entries()) assert.ok(bytes.equals(read[index]), `${name} ${index}`)
  }
  assert.equal(mounted.session.inFlight, 0)
  assert.deepEqual(log, [])
})

test('others are answered while a descriptor’s file stalls', needsRoot, async (t) => {
  const begun = deferred()
  const answer = deferred()
  const behind = await serveFilesystem(
    t,
    readable({
      file: async (request, reply) => {
        begun.resolve()
        await answer.promise
        reply.data(wanted(request))
      },
    }),
  )
  const fd = await openAside(t, `${behind.path}/file`)
  const front = await serveFilesystem(
    t,
    readable({
      stalled: (request, reply) => reply.descriptor(fd, request.offset, request.size),
      other: (request, reply) => reply.data(wanted(request)),
    }),
  )
  const [waiting, running] = await Promise.all([startClient(t), startClient(t)])
  const stalled = waiting.run(({ fs }, file) => fs.readFileSync(file), `${front.path}/stalled`)
  await begun.promise
  const others = await running.run(({ fs }, file) => {
    let bytes = 0
    for (let n = 0; n < 100; n++) bytes += fs.readFileSync(file).length + fs.statSync(file).size
    return bytes
  }, `${front.path}/other`)
  assert.equal(others, 200 * SIZE)
  assert.equal(front.mounted.session.inFlight, 1)
  answer.resolve()
  assert.ok(data.equals(await stalled))
})

test('a reply is let go once, whatever becomes of it', needsRoot, async (t) => {
  const released: Record<string, number> = {}
  const releasing = (name: string, reply: ReadReply) => {
    released[name] = 0
    reply.onSent(() => released[name]++)
  }
  const fail = (): never => {
    throw Object.assign(new Error('EACCES'), { code: 'EACCES', errno: -13, syscall: 'read' })
  }
  const ways: Record<string, (reply: ReadReply) => void> = {
    short: (reply) => reply.data('short'),
    long: (reply) => reply.data(data.subarray(0, 20_000)),
    nothing: () => {},
    failed: (reply) => reply.fail(13),
    thrown: fail,
    range: (reply) => reply.descriptor(0x7fffffff, 0, 10),
    rangeAside: (reply) => reply.descriptor(0x7fffffff, 0, 10, RangeRead.THREAD),
    rangeOfNothing: (reply) => reply.descriptor(0x7fffffff, 0, 0),
    refused: (reply) => reply.data(Buffer.alloc(SIZE)),
  }
  const reads: Record<string, (request: ReadRequest, reply: ReadReply) => Result> = {}
  for (const [name, way] of Object.entries(ways)) {
    reads[name] = (_, reply) => {
      releasing(name, reply)
      way(reply)
    }
    reads[`${name}Later`] = async (_, reply) => {
      await new Promise(setImmediate)
      releasing(`${name}Later`, reply)
      way(reply)
    }
  }
  const ended = deferred()
  const begun = deferred()
  reads.never = async (_, reply) => {
    releasing('never', reply)
    begun.resolve()
    await ended.promise
  }
  const { path, mounted } = await serveFilesystem(t, readable(reads))
  const client = await startClient(t)
  for (const name of Object.keys(reads).filter((name) => name !== 'never'))
    await client.run(({ fs, failure }, file) => {
      const fd = fs.openSync(file, 'r')
      failure(() => fs.readSync(fd, Buffer.alloc(50_000)))
      fs.closeSync(fd)
    }, `${path}/${name}`)
  const never = client.run(({ fs, failure }, file) => failure(() => fs.readFileSync(file)), `${path}/never`)
  await begun.promise
  await mounted.unmount('force')
  assert.match(await never, /ENOTCONN|ECONNABORTED/)
  assert.equal(released.never, 0, 'its handler is at work')
  ended.resolve()
  await mounted.closed
  assert.deepEqual(
    Object.entries(released).filter(([, times]) => times !== 1),
    [],
  )
  assert.equal(Object.keys(released).length, Object.keys(reads).length)
})
