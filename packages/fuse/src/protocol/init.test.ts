// Negotiation: what each minor's INIT carries, and what our answer tells the kernel about layouts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KERNEL_MINOR, OLDEST_MINOR } from './constants.js'
import { made, messageOf, replyTo, sent } from './frames.test.util.js'
import { decodeInit, encodeInit, type InitReply } from './init.js'
import { SetxattrRequest } from './requests.js'
import { validateRequest } from './validate.js'

const { frames } = made()
function hex(variant: string, operation = 'INIT'): string {
  const found = frames.find((f) => f.operation === operation && f.variant === variant && f.kind === 'request')
  assert.ok(found)
  return found.hex
}

const reply: InitReply = {
  minor: KERNEL_MINOR,
  maxReadahead: 1 << 20,
  flags: 0x40000001,
  flags2: 0x20,
  maxBackground: 64,
  congestionThreshold: 48,
  maxWrite: 1 << 20,
  timeGranularity: 1,
  maxPages: 256,
  maxStackDepth: 1,
  requestTimeout: 0,
}

test('INIT of 16 bytes, as minors below 36 send it', () => {
  const message = messageOf(hex('16 bytes'))
  assert.equal(message.length, 56)
  assert.equal(validateRequest(message, false), undefined)
  // INIT_EXT in a request too short for flags2: what lies behind it is no flags2.
  message.input[13] |= 0x40000000
  assert.equal(decodeInit(message).flags2, 0)
})

test('flags2 counts only where INIT_EXT says so', () => {
  assert.notEqual(decodeInit(messageOf(hex('64 bytes'))).flags2, 0)
  assert.equal(decodeInit(messageOf(hex('64 bytes without INIT_EXT'))).flags2, 0)
})

test('every minor from the oldest to the newest is answered with itself, in 80 bytes', () => {
  for (let minor = OLDEST_MINOR; minor <= KERNEL_MINOR; minor++) {
    const message = replyTo('0x2', 0)
    encodeInit(message, { ...reply, minor })
    const bytes = sent(message)
    assert.equal(bytes.length, 80)
    assert.equal(bytes.readUInt32LE(16), 7)
    assert.equal(bytes.readUInt32LE(20), minor)
    assert.deepEqual([...bytes.subarray(58)], new Array(22).fill(0), 'what is unused is zero')
  }
})

test('a kernel newer than this server is answered with the newest minor known here', () => {
  const message = replyTo('0x2', 0)
  encodeInit(message, { ...reply, minor: KERNEL_MINOR + 10 })
  assert.equal(sent(message).readUInt32LE(20), KERNEL_MINOR)
})

test('a 16-bit field that is too large does not spill into its neighbour', () => {
  const message = replyTo('0x2', 0)
  encodeInit(message, {
    ...reply,
    maxBackground: 70000,
    congestionThreshold: 5,
    maxPages: 70000,
    requestTimeout: 1e6,
  })
  const bytes = sent(message)
  assert.deepEqual(
    [bytes.readUInt16LE(32), bytes.readUInt16LE(34), bytes.readUInt16LE(44), bytes.readUInt16LE(46)],
    [65535, 5, 65535, 0],
  )
  assert.deepEqual([bytes.readUInt16LE(56), bytes.readUInt16LE(58)], [65535, 0])
})

test('SETXATTR has 16 bytes of arguments with SETXATTR_EXT, 8 without', () => {
  const short = messageOf(hex('short', 'SETXATTR'))
  assert.equal(validateRequest(short, false), undefined)
  assert.equal(new SetxattrRequest(short, false).name.toString(), 'user.short')
  const long = messageOf(hex('extended', 'SETXATTR'))
  assert.equal(validateRequest(long, true), undefined)
  assert.equal(new SetxattrRequest(long, true).name.toString(), 'user.extended')
})
