// Random and mutated requests. What a request says may not depend on a byte behind it: each is decoded twice, over
// memory that is filled differently, and must give the same both times.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Opcode, opcodeNames } from './constants.js'
import { made, POISON } from './frames.test.util.js'
import { decodeInit } from './init.js'
import { Message } from './message.js'
import { Name } from './name.js'
import { type Random, random } from './random.test.util.js'
import * as r from './requests.js'
import { encodeName } from './text.js'
import { validateRequest } from './validate.js'

const SEED = Number(process.env.FUZZ_SEED ?? 0x66757a7a)
const ROUNDS = Number(process.env.FUZZ_ROUNDS ?? 60_000)

const classes: Record<string, (message: Message, extended: boolean) => r.Request> = {
  LOOKUP: (m) => new r.NameRequest(m),
  GETATTR: (m) => new r.GetattrRequest(m),
  SETATTR: (m) => new r.SetattrRequest(m),
  SYMLINK: (m) => new r.SymlinkRequest(m),
  MKNOD: (m) => new r.MknodRequest(m),
  MKDIR: (m) => new r.MkdirRequest(m),
  UNLINK: (m) => new r.NameRequest(m),
  RMDIR: (m) => new r.NameRequest(m),
  RENAME: (m) => new r.RenameRequest(m, 8),
  LINK: (m) => new r.LinkRequest(m),
  OPEN: (m) => new r.OpenRequest(m),
  READ: (m) => new r.ReadRequest(m),
  WRITE: (m) => new r.WriteRequest(m),
  RELEASE: (m) => new r.ReleaseRequest(m),
  FSYNC: (m) => new r.FsyncRequest(m),
  SETXATTR: (m, extended) => new r.SetxattrRequest(m, extended),
  GETXATTR: (m) => new r.GetxattrRequest(m),
  LISTXATTR: (m) => new r.ListxattrRequest(m),
  REMOVEXATTR: (m) => new r.NameRequest(m),
  FLUSH: (m) => new r.FlushRequest(m),
  OPENDIR: (m) => new r.OpenRequest(m),
  READDIR: (m) => new r.ReaddirRequest(m),
  RELEASEDIR: (m) => new r.ReleaseRequest(m),
  FSYNCDIR: (m) => new r.FsyncRequest(m),
  GETLK: (m) => new r.LockRequest(m),
  SETLK: (m) => new r.LockRequest(m),
  SETLKW: (m) => new r.LockRequest(m),
  ACCESS: (m) => new r.AccessRequest(m),
  CREATE: (m) => new r.CreateRequest(m),
  BMAP: (m) => new r.BmapRequest(m),
  IOCTL: (m) => new r.IoctlRequest(m),
  POLL: (m) => new r.PollRequest(m),
  FALLOCATE: (m) => new r.FallocateRequest(m),
  READDIRPLUS: (m) => new r.ReaddirRequest(m),
  RENAME2: (m) => new r.RenameRequest(m, 16),
  LSEEK: (m) => new r.LseekRequest(m),
  COPY_FILE_RANGE: (m) => new r.CopyFileRangeRequest(m),
  TMPFILE: (m) => new r.CreateRequest(m),
  STATX: (m) => new r.StatxRequest(m),
  COPY_FILE_RANGE_64: (m) => new r.CopyFileRangeRequest(m),
}

/** Every getter of a request's class and of those above it. */
function getters(request: r.Request): string[] {
  const names = new Set<string>()
  for (let at = Object.getPrototypeOf(request); at !== Object.prototype; at = Object.getPrototypeOf(at))
    for (const [name, { get }] of Object.entries(Object.getOwnPropertyDescriptors(at)))
      if (get) names.add(name)
  // What is protected, and where something lies instead of what it is.
  for (const name of ['signal', 'firstName', 'secondName', 'bodyEnd', 'dataAddress']) names.delete(name)
  return [...names]
}

/** A view that lies within the request, as text; where it lies outside, the test fails. */
function within(message: Message, view: Uint8Array): string {
  const start = view.byteOffset - message.inputBytes.byteOffset
  assert.ok(start >= 0 && start + view.length <= message.length, `bytes ${start} to ${start + view.length}`)
  return `${start} ${Buffer.from(view).toString('hex')}`
}

function show(message: Message, value: unknown): unknown {
  if (value instanceof Name) {
    assert.ok(value.start >= 40 && value.end >= value.start && value.end < message.length)
    assert.equal(message.inputBytes[value.end], 0)
    assert.deepEqual(encodeName(value.toString()), Buffer.from(value.bytes))
    return within(message, value.bytes)
  }
  if (value instanceof Uint8Array) return within(message, value)
  if (Array.isArray(value)) return value.map((context) => [context.name, within(message, context.value)])
  return value
}

interface Seen {
  wrong: string | undefined
  fields: unknown[]
}

class Fuzzer {
  readonly #message = new Message(8192)
  /** The views of this message by opcode and layout of SETXATTR, with their getters. */
  readonly #views = new Map<string, { request: r.Request; names: string[] }>()

  see(bytes: Buffer, fill: number, extended: boolean): Seen {
    const message = this.#message
    message.inputBytes.fill(fill)
    message.inputBytes.set(bytes)
    message.begin(bytes.length)
    const wrong = validateRequest(message, extended)
    if (wrong !== undefined) return { wrong, fields: [] }
    const { opcode } = message
    if (opcode === Opcode.INIT) return { wrong, fields: [decodeInit(message)] }
    const { request, names } = this.#view(opcode, extended)
    return { wrong, fields: names.map((name) => show(message, request[name as keyof r.Request])) }
  }

  #view(opcode: number, extended: boolean) {
    const key = `${opcode} ${extended}`
    let view = this.#views.get(key)
    if (!view) {
      const request = (classes[opcodeNames[opcode] ?? ''] ?? ((m) => new r.Request(m)))(
        this.#message,
        extended,
      )
      view = { request, names: getters(request) }
      this.#views.set(key, view)
    }
    return view
  }
}

const corpus = made()
  .frames.filter(({ kind }) => kind === 'request')
  .map(({ hex }) => Buffer.from(hex, 'hex'))
const opcodes = Object.values(Opcode)

function mutate(bytes: Buffer, { below, pick }: Random): Buffer {
  switch (below(8)) {
    case 0: // a byte
      bytes[below(bytes.length)] = below(256)
      break
    case 1: // a word
      if (bytes.length >= 4)
        bytes.writeUInt32LE(
          pick([
            0,
            1,
            8,
            0xff,
            0xffff,
            0x10000,
            0x7fffffff,
            0x80000000,
            0xffffffff,
            bytes.length,
            bytes.length - 40,
          ]) >>> 0,
          below(bytes.length >> 2) * 4,
        )
      break
    case 2: // shorter
      return bytes.subarray(0, below(bytes.length) + 1)
    case 3: // longer
      return Buffer.concat([bytes, Buffer.from(Array.from({ length: below(40) }, () => below(256)))])
    case 4: // another operation
      if (bytes.length >= 8) bytes.writeUInt32LE(below(4) === 0 ? below(80) : pick(opcodes), 4)
      break
    case 5: // extensions
      if (bytes.length >= 40) bytes.writeUInt16LE(below(8) === 0 ? below(65536) : below(12), 36)
      break
    case 6: // no NUL
      for (let at = 40; at < bytes.length; at++) if (bytes[at] === 0) bytes[at] = 1
      break
    case 7: {
      // a part of another request
      const other = pick(corpus)
      const start = below(other.length)
      other.copy(bytes, below(bytes.length), start, start + below(64))
    }
  }
  return bytes
}

test(`${ROUNDS} mutated requests, seed ${SEED}`, () => {
  const source = random(SEED)
  const { below, pick } = source
  const fuzzer = new Fuzzer()
  const accepted = new Set<number>()
  const refused = new Set<number>()
  for (let round = 0; round < ROUNDS; round++) {
    let bytes: Buffer = Buffer.from(pick(corpus))
    for (let left = below(5); left > 0; left--) bytes = mutate(bytes, source)
    if (bytes.length >= 4 && below(10) > 0) bytes.writeUInt32LE(bytes.length, 0)
    const extended = below(2) === 0
    const what = () => `round ${round}: ${bytes.toString('hex')}`
    try {
      const first = fuzzer.see(bytes, POISON, extended)
      for (const fill of [0, 1]) assert.deepEqual(fuzzer.see(bytes, fill, extended), first)
      if (bytes.length >= 8) (first.wrong === undefined ? accepted : refused).add(bytes.readUInt32LE(4))
    } catch (error) {
      throw new Error(what(), { cause: error })
    }
  }
  // Both happened to every operation, or the test would prove little.
  for (const opcode of opcodes) {
    assert.ok(accepted.has(opcode), `no ${opcodeNames[opcode]} was accepted`)
    assert.ok(refused.has(opcode), `no ${opcodeNames[opcode]} was refused`)
  }
})

test('requests of random bytes', () => {
  const { below } = random(SEED + 1)
  const fuzzer = new Fuzzer()
  for (let round = 0; round < ROUNDS / 4; round++) {
    const bytes = Buffer.from(Array.from({ length: below(160) }, () => (below(4) === 0 ? 0 : below(256))))
    if (bytes.length >= 8) {
      bytes.writeUInt32LE(bytes.length, 0)
      bytes.writeUInt32LE(below(60), 4)
    }
    if (bytes.length >= 40 && below(4) > 0) bytes.writeUInt16LE(below(4), 36)
    const first = fuzzer.see(bytes, POISON, false)
    for (const fill of [0, 1]) assert.deepEqual(fuzzer.see(bytes, fill, false), first, bytes.toString('hex'))
  }
})

test('every class of request is fuzzed', () => {
  const without = new Set([
    'READLINK',
    'STATFS',
    'DESTROY',
    'SYNCFS',
    'INIT',
    'FORGET',
    'BATCH_FORGET',
    'INTERRUPT',
    'NOTIFY_REPLY',
  ])
  assert.deepEqual(
    Object.keys(Opcode).filter((name) => !(name in classes) && !without.has(name)),
    [],
  )
})
