import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Random, random } from './random.test.util.js'
import { decodeName, encodeName } from './text.js'

function roundTrip(bytes: Buffer): void {
  const text = decodeName(bytes)
  const back = encodeName(text)
  if (!back.equals(bytes)) assert.fail(`${bytes.toString('hex')} came back as ${back.toString('hex')}`)
}

test('every name of one and two bytes', () => {
  const bytes = Buffer.alloc(2)
  for (let first = 0; first < 256; first++) {
    roundTrip(Buffer.of(first))
    for (let second = 0; second < 256; second++) {
      bytes[0] = first
      bytes[1] = second
      roundTrip(bytes)
    }
  }
})

test('every character, alone and beside bytes that are no UTF-8', () => {
  for (let code = 1; code < 0x110000; code += code < 0x3000 ? 1 : 17) {
    if (code >= 0xd800 && code < 0xe000) continue
    const bytes = Buffer.from(String.fromCodePoint(code))
    assert.equal(decodeName(bytes), String.fromCodePoint(code))
    roundTrip(bytes)
    roundTrip(Buffer.concat([Buffer.of(0x80), bytes, Buffer.of(0xff)]))
    roundTrip(Buffer.concat([bytes.subarray(0, -1), bytes]))
  }
})

/** Bytes that begin, continue or break UTF-8 sequences more often than chance would have it. */
function name({ below, pick }: Random): Buffer {
  const edges = [
    0x7f, 0x80, 0xbf, 0xc0, 0xc2, 0xdf, 0xe0, 0xed, 0xa0, 0xef, 0xbb, 0xf0, 0x90, 0xf4, 0x8f, 0xf5, 0xff,
  ]
  const bytes = Buffer.alloc(1 + below(24))
  for (let at = 0; at < bytes.length; at++) {
    const byte = below(3) === 0 ? 1 + below(255) : pick(edges)
    bytes[at] = byte === 0x2f ? 0x2e : byte
  }
  return bytes
}

test('200 000 random names without NUL and /', () => {
  const source = random(0x6e616d65)
  for (let left = 200_000; left > 0; left--) roundTrip(name(source))
})

test('the scheme is that of PEP 383', () => {
  assert.equal(decodeName(Buffer.of(0x61, 0xff, 0x62)), 'a\udcffb')
  // Surrogates encoded as UTF-8, overlong forms and a truncated sequence are bytes that are no UTF-8.
  assert.equal(decodeName(Buffer.of(0xed, 0xa0, 0x80)), '\udced\udca0\udc80')
  assert.equal(decodeName(Buffer.of(0xc0, 0xaf)), '\udcc0\udcaf')
  assert.equal(decodeName(Buffer.of(0xe2, 0x82)), '\udce2\udc82')
  // A byte order mark is a character of the name.
  assert.equal(decodeName(Buffer.of(0xef, 0xbb, 0xbf, 0x61)), '\ufeffa')
})

test('an emoji whose low surrogate looks like an escaped byte stays an emoji', () => {
  const skull = '\u{1f480}'
  assert.equal(skull.charCodeAt(1), 0xdc80)
  assert.deepEqual(encodeName(skull), Buffer.from(skull))
  assert.deepEqual(
    encodeName(`\udc80${skull}\udcff`),
    Buffer.concat([Buffer.of(0x80), Buffer.from(skull), Buffer.of(0xff)]),
  )
})

test('a part of a buffer', () => {
  for (const whole of [
    Buffer.from('..name..\xff', 'latin1'),
    new Uint8Array(Buffer.from('..name..\xff', 'latin1')),
  ]) {
    assert.equal(decodeName(whole, 2, 6), 'name')
    assert.equal(decodeName(whole, 6), '..\udcff')
    assert.equal(decodeName(whole, 3, 3), '')
  }
})
