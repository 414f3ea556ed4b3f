// Notifications against bytes laid out by a C compiler (not recorded), and the requests that the session itself decodes.
import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Filesystem } from '../filesystem.js'
import { DeviceNotifier } from '../session/notifier.js'
import { Session } from '../session/session.js'
import { type Fields, load, made, number } from './frames.test.util.js'
import { Message } from './message.js'
import { requests } from './recorded.test.util.js'

const { frames } = made()

/** A file in place of /dev/fuse: what is written to it can be read. */
function device(t: TestContext): { fd: number; written(bytes: number): Promise<Buffer> } {
  const folder = mkdtempSync(join(tmpdir(), 'hawser-wire-'))
  const path = join(folder, 'device')
  const fd = openSync(path, 'w')
  t.after(() => {
    closeSync(fd)
    rmSync(folder, { recursive: true })
  })
  return {
    fd,
    async written(bytes) {
      while (readFileSync(path).length < bytes) await new Promise((resolve) => setTimeout(resolve, 5))
      return readFileSync(path)
    },
  }
}

type Notify = (notifier: DeviceNotifier, fields: Fields, variant: string) => void
const name = ({ name }: Fields) => Buffer.from(name, 'hex')
const notifications: Record<string, Notify> = {
  POLL: (n, f) => n.poll(number(f.kh)),
  INVAL_INODE: (n, f, variant) =>
    variant
      ? n.invalidateAttributes(number(f.ino))
      : n.invalidateInode(number(f.ino), number(f.off), number(f.len)),
  INVAL_ENTRY: (n, f, variant) =>
    variant ? n.expireEntry(number(f.parent), name(f)) : n.invalidateEntry(number(f.parent), `${name(f)}`),
  DELETE: (n, f) => n.deleteEntry(number(f.parent), number(f.child), name(f)),
  STORE: (n, f) => n.store(number(f.nodeid), number(f.offset), Buffer.from(f.data, 'hex')),
  RETRIEVE: (n, f) => void n.retrieve(number(f.nodeid), number(f.offset), number(f.size)),
  RESEND: (n) => n.resend(),
  INC_EPOCH: (n) => n.incrementEpoch(),
  PRUNE: (n, f) => n.prune([f.nodeid0, f.nodeid1, f.nodeid2].map(number)),
}

for (const { operation, variant, fields, hex } of frames.filter(({ kind }) => kind === 'notification'))
  test(`${operation}${variant && `, ${variant}`}`, async (t) => {
    const { fd, written } = device(t)
    const log: string[] = []
    const notifier = new DeviceNotifier(fd, (message) => log.push(message))
    t.after(() => notifier.close())
    const expected = Buffer.from(hex, 'hex')
    // The notifier numbers its retrievals itself.
    if (operation === 'RETRIEVE') expected.writeBigUInt64LE(1n, 16)
    notifications[operation](notifier, fields, variant)
    assert.equal((await written(expected.length)).toString('hex'), expected.toString('hex'))
    assert.deepEqual(log, [])
  })

function session(t: TestContext, filesystem: Filesystem): Session {
  return new Session(filesystem, device(t).fd, { log: (_, message) => assert.fail(message) })
}

function handle(session: Session, hex: string): Message {
  const message = new Message(1 << 16)
  load(message, Buffer.from(hex, 'hex'))
  session.handle(message, message.length)
  return message
}

test('FORGET and BATCH_FORGET, made and recorded', (t) => {
  const seen: [number, number][] = []
  const served = session(t, { forget: (nodeId, count) => void seen.push([nodeId, count]) })
  const find = (name: string) =>
    frames.find(({ kind, operation }) => kind === 'request' && operation === name)
  const [one, batch] = ['FORGET', 'BATCH_FORGET'].map(find)
  assert.ok(one && batch)
  assert.equal(handle(served, one.hex).replyLength, 0)
  assert.deepEqual(seen.splice(0), [[number(one.header.nodeid), number(one.fields.nlookup)]])
  assert.equal(handle(served, batch.hex).replyLength, 0)
  const expected = [0, 1, 2].map((at) => [
    number(batch.fields[`nodeid${at}`]),
    number(batch.fields[`nlookup${at}`]),
  ])
  assert.deepEqual(seen.splice(0), expected)

  const made = requests.filter(({ step, operation }) => step === 'make many' && operation === 'MKDIR')
  const nodes = made.map(({ reply }) => Number(Buffer.from(reply as string, 'hex').readBigUInt64LE(16)))
  for (const { operation, request, step } of requests)
    if (operation === 'BATCH_FORGET' && step === 'forget many') handle(served, request)
  assert.deepEqual(
    seen,
    nodes.map((node) => [node, 1]),
  )
})

test('INTERRUPT reaches the request that it names, and no other', async (t) => {
  const signals: AbortSignal[] = []
  const served = session(t, {
    read: (request) => {
      signals.push(request.signal)
      return new Promise((_, reject) =>
        request.signal.addEventListener('abort', () =>
          reject(Object.assign(new Error(), { name: 'AbortError' })),
        ),
      )
    },
  })
  const recorded = requests.filter(({ step }) => step === 'read interrupted')
  const read = recorded.find(({ operation }) => operation === 'READ')?.request as string
  const interrupt = recorded.find(({ operation }) => operation === 'INTERRUPT')?.request as string
  const other = Buffer.from(read, 'hex')
  other[8] ^= 2
  const [left, meant] = [handle(served, other.toString('hex')), handle(served, read)]
  assert.equal(handle(served, interrupt).replyLength, 0)
  assert.deepEqual(
    signals.map(({ aborted }) => aborted),
    [false, true],
  )
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual([left.detached, meant.detached], [true, false])
})

test('NOTIFY_REPLY ends the retrieval that it answers', async (t) => {
  const served = session(t, {})
  const asked = served.notifier.retrieve(9, 3, 15)
  const reply = requests.find(({ operation }) => operation === 'NOTIFY_REPLY')
  assert.equal(handle(served, reply?.request as string).replyLength, 0)
  assert.equal(`${await asked}`, 'red in the page')
})
