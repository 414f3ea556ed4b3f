import assert from 'node:assert/strict'
import { Views } from '../session/views.js'
import { fixture, load } from './frames.test.util.js'
import { Message } from './message.js'

/** A line of fixtures/recorded-*.jsonl. */
export interface Recorded {
  mount: string
  step: string
  operation?: string
  request?: string
  reply?: string
  notification?: string
  result?: { value?: unknown; errno?: number }
}

const [, ...all] = fixture('recorded-6.18.jsonl') as Recorded[]
export const lines: readonly Recorded[] = all
export const requests = lines.filter((line) => line.request !== undefined) as (Recorded & {
  operation: string
  request: string
})[]

/** What the step's system call gave. */
export function result<T>(step: string, mount = 'main'): T {
  const line = lines.find((line) => line.mount === mount && line.step === step && line.result)
  assert.ok(line, `no result of ${step}`)
  return line.result?.value as T
}

export interface Exchange {
  views: Views
  request: Buffer
  /** Undefined where the kernel expects none. */
  reply: Buffer | undefined
}

/** Whether a mount agreed on SETXATTR_EXT. */
export function extended(mount: string): boolean {
  return mount !== 'oldest'
}

/** The requests of an operation that a step made the kernel send, each in a message of its own. */
export function exchanges(step: string, operation: string, mount = 'main'): Exchange[] {
  const found = requests.filter((r) => r.mount === mount && r.step === step && r.operation === operation)
  return found.map((line) => {
    const message = new Message(1 << 16)
    const request = Buffer.from(line.request, 'hex')
    load(message, request)
    return {
      views: new Views(message, extended(mount)),
      request,
      reply: line.reply === undefined ? undefined : Buffer.from(line.reply, 'hex'),
    }
  })
}

/** The step's only request of an operation. */
export function exchange(step: string, operation: string, mount = 'main'): Exchange {
  const found = exchanges(step, operation, mount)
  assert.equal(found.length, 1, `${step}: ${found.length} times ${operation}`)
  return found[0]
}

/** The handle that a step's OPEN, OPENDIR, CREATE or TMPFILE was answered with. */
export function handleOf(step: string, operation: string, mount = 'main'): number {
  const { reply } = exchange(step, operation, mount)
  assert.ok(reply)
  return Number(reply.readBigUInt64LE(reply.length - 16))
}

/** The node that a step's creation was answered with. */
export function nodeOf(step: string, operation: string, mount = 'main'): number {
  const { reply } = exchange(step, operation, mount)
  assert.ok(reply)
  return Number(reply.readBigUInt64LE(16))
}
