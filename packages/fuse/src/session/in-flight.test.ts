// Requests whose handlers answer later, in another order, while others come.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { needsRoot } from '../device/isolation.test.support.js'
import { OpenFlag } from '../protocol/index.js'
import { flat, type Served, serveFilesystem, startClient, until } from './serve.test.support.js'

const WRITES = 1000
const SIZE = 32768

/** Writes block n full of the byte n % 251 by 40 writers, each through a descriptor of its own, and checks what was written. */
async function writeAll({ path }: Served, run: Awaited<ReturnType<typeof startClient>>['run']) {
  return run(
    async ({ fs }, file, writes, size) => {
      const writers = Array.from({ length: 40 }, async (_, writer) => {
        const handle = await fs.promises.open(file, 'r+')
        let short = 0
        for (let n = writer; n < writes; n += 40) {
          const { bytesWritten } = await handle.write(Buffer.alloc(size, n % 251), 0, size, n * size)
          if (bytesWritten !== size) short++
        }
        await handle.close()
        return short
      })
      return (await Promise.all(writers)).reduce((a, b) => a + b)
    },
    `${path}/file`,
    WRITES,
    SIZE,
  )
}

for (const limits of [{}, { maxInFlight: 7 }, { maxMemory: 5 * SIZE }]) {
  const name = Object.keys(limits)[0] ?? 'no limit'
  test(`1000 overlapping asynchronous writes keep their data (${name})`, needsRoot, async (t) => {
    const answered = new Map<number, number>()
    const changed: number[] = []
    let running = 0
    let most = 0
    let seed = 1
    const random = () => {
      seed = (seed * 1103515245 + 12345) & 0x7fffffff
      return seed / 0x7fffffff
    }
    const filesystem = flat(
      { file: { size: WRITES * SIZE } },
      {
        open(_request, reply) {
          // Each write(2) is a request, and they come at the same time.
          reply.flags = OpenFlag.DIRECT_IO | OpenFlag.PARALLEL_DIRECT_WRITES
        },
        async write(request, reply) {
          const { data, offset, size } = request
          const block = offset / SIZE
          running++
          most = Math.max(most, running)
          await delay(random() * 12)
          if (random() < 0.3) await delay(random() * 12)
          running--
          if (data !== request.data && Buffer.compare(data, request.data) !== 0) changed.push(block)
          if (request.offset !== offset || data.length !== SIZE) changed.push(block)
          if (!data.every((byte) => byte === block % 251)) changed.push(block)
          // Whoever gets this memory too soon will see it.
          data.fill(0xee)
          reply.size = size
          answered.set(block, (answered.get(block) ?? 0) + 1)
        },
      },
    )
    const served = await serveFilesystem(t, filesystem, { ...limits })
    const clients = await Promise.all([startClient(t), startClient(t)])
    const [short] = await Promise.all([
      writeAll(served, clients[0].run),
      // Others are answered in between.
      clients[1].run(({ fs }, path) => {
        for (let i = 0; i < 2000; i++) fs.statSync(path, { throwIfNoEntry: false })
      }, `${served.path}/none`),
    ])
    assert.equal(short, 0)
    assert.deepEqual(changed, [])
    assert.equal(answered.size, WRITES)
    assert.ok([...answered.values()].every((times) => times === 1))
    const { session } = served.mounted
    if (limits.maxInFlight) {
      assert.ok(session.stalls > 0, 'the limit was reached')
      assert.equal(most, 7)
    } else if (limits.maxMemory) {
      assert.ok(session.stalls > 0, 'the limit was reached')
      assert.ok(most <= 5)
    } else assert.equal(session.stalls, 0)
    assert.ok(most > 3)
    assert.equal(session.inFlight, 0)
    const write = session.statistics.snapshot().find(({ operation }) => operation === 'write')
    assert.deepEqual([write?.count, write?.errors, write?.bytes], [WRITES, 0, WRITES * SIZE])
    assert.deepEqual(served.log, [])
  })
}

test('a session at its limit sees the end of the connection', needsRoot, async (t) => {
  const filesystem = flat({})
  const { getattr } = filesystem
  let block = false
  filesystem.getattr = (request, reply) => {
    if (!block) return getattr?.(request, reply)
    return new Promise<void>((_, reject) => {
      request.signal.addEventListener('abort', () => reject(new Error('ended')))
    })
  }
  const { path, mounted } = await serveFilesystem(t, filesystem, { maxInFlight: 1 })
  const client = await startClient(t)
  block = true
  // What was kept for ever is asked again.
  mounted.session.notifier.invalidateAttributes(1)
  await mounted.session.notifier.flush()
  const code = client.run(({ failure, fs }, file) => failure(() => fs.statSync(file)), path)
  await until(t, () => mounted.session.stalls > 0)
  await mounted.unmount('force')
  await mounted.closed
  assert.match(await code, /ENOTCONN|ECONNABORTED/)
})
