import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errno } from '../native.js'
import { load, made } from './frames.test.util.js'
import { Message, PAYLOAD } from './message.js'
import { ReadReply, Reply } from './replies.js'
import { Request } from './requests.js'

const [first, second] = made()
  .frames.filter(({ kind }) => kind === 'request')
  .map(({ hex }) => Buffer.from(hex, 'hex'))

test('nothing of one request reaches the next that uses its memory', () => {
  const message = new Message(8192)
  load(message, first)
  const { signal } = new Request(message)
  const reply = new ReadReply(message)
  reply.data('abc')
  reply.descriptor(3, 0, 10)
  reply.onSent(() => assert.fail('called for another request'))
  message.interrupted = true
  reply.fail(errno.EIO)
  load(message, second)
  assert.equal(message.failed, false)
  assert.equal(message.replyLength, 16)
  assert.deepEqual([message.gathered, message.rangeFd, message.onSent], [undefined, -1, undefined])
  assert.notEqual(new Request(message).signal, signal)
  assert.equal(new Request(message).signal.aborted, false)
  assert.equal(message.outputBytes.readBigUInt64LE(8), second.readBigUInt64LE(8))
})

test('WRITE’s data and every payload lie on a page boundary, whatever the size', () => {
  for (const size of [0, 1, 4096, 5000, 65536, 1 << 20]) {
    const message = new Message(size)
    assert.equal((message.inputAddress + 80) % 4096, 0)
    assert.equal((message.outputAddress + PAYLOAD) % 4096, 0)
    // read(2) on the device takes no less, and a WRITE of the largest size fits.
    assert.ok(message.capacity >= 8192 && message.capacity >= size + 80)
    assert.ok(message.outputBytes.length >= size + PAYLOAD)
    assert.equal(message.inputBytes.length, message.capacity)
  }
})

test('an errno is negated, and no other field of the reply changes', () => {
  const message = new Message(8192)
  load(message, first)
  new Reply(message).fail(511)
  assert.equal(message.outputBytes.readInt32LE(4), -511)
  assert.equal(message.outputBytes.readBigUInt64LE(8), first.readBigUInt64LE(8))
})
