// The fixtures' frames, loaded into messages.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { Message } from './message.js'

export type Fields = Record<string, string>

/** A line of fixtures/wire-*.jsonl: made by a C program, with the values of every field (hexadecimal). */
export interface Frame {
  kind: 'request' | 'reply' | 'notification'
  operation: string
  variant: string
  header: Fields
  fields: Fields
  entry?: Fields
  extensions?: Fields
  hex: string
}

export interface Made {
  origin: string
  constants: Fields
  sizes: Record<string, number>
  frames: Frame[]
}

export function fixture(name: string): unknown[] {
  const text = readFileSync(new URL(`../../fixtures/${name}`, import.meta.url), 'utf8')
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}

export function made(): Made {
  const [numbers, ...frames] = fixture('wire-7.45.jsonl')
  return { ...(numbers as Omit<Made, 'frames'>), frames: frames as Frame[] }
}

/** What no field of a request may show: it fills the memory after the request. */
export const POISON = 0xa5

/** Puts a request into a message as read(2) would, with poison after it. */
export function load(message: Message, request: Uint8Array): void {
  message.inputBytes.fill(POISON)
  message.inputBytes.set(request)
  message.begin(request.length)
}

export function messageOf(hex: string): Message {
  const message = new Message(1 << 16)
  load(message, Buffer.from(hex, 'hex'))
  return message
}

/** The reply as it is written to the device; the addon counts its length. */
export function sent(message: Message): Buffer {
  const bytes = Buffer.concat([message.replyBytes, ...(message.gathered ?? [])])
  bytes.writeUInt32LE(bytes.length, 0)
  return bytes
}

/** A message whose reply answers this request, with zeros in a reply of `size` bytes as the session prepares it. */
export function replyTo(unique: string, size: number): Message {
  const message = new Message(1 << 16)
  message.inputBytes.writeBigUInt64LE(BigInt(unique), 8)
  message.outputBytes.fill(POISON)
  message.begin(40)
  message.outputBytes.fill(0, 16, 16 + size)
  message.replyLength = 16 + size
  return message
}

export function halves(low: number, high: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low)
}

/** A field's value as the codec takes it. */
export function number(value: string): number {
  return Number(BigInt(value))
}
export function signed(value: string): number {
  return Number(BigInt.asIntN(64, BigInt(value)))
}

/**
 * Compares what was decoded with a frame's fields. `flags&4` compares one bit of a field with a boolean; Buffers and
 * strings are compared with bytes. Every field of the frame must have been compared, but those in `unread`.
 */
export function same(
  decoded: Record<string, unknown>,
  expected: Fields,
  unread: readonly string[] = [],
): void {
  const left = new Set(Object.keys(expected))
  for (const [key, value] of Object.entries(decoded)) {
    const [name, mask] = key.split('&')
    assert.ok(name in expected, `the frame has no field ${name}`)
    left.delete(name)
    if (mask) assert.equal(value, (BigInt(expected[name]) & BigInt(mask)) !== 0n, key)
    else if (value instanceof Uint8Array)
      assert.equal(Buffer.from(value).toString('hex'), expected[name], key)
    else assert.equal(`0x${BigInt(value as number).toString(16)}`, expected[name], key)
  }
  for (const name of unread) left.delete(name)
  assert.deepEqual([...left], [], 'fields that were not compared')
}
