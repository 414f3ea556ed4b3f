// Extensions after names of every length mod 8, laid out by a C compiler (not recorded: no security module here gives a
// new file a label).
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Fields, load, made, messageOf } from './frames.test.util.js'
import { Message } from './message.js'
import { CreateRequest, MkdirRequest, MknodRequest, SymlinkRequest } from './requests.js'
import { validateRequest } from './validate.js'

const frames = made().frames.filter((frame) => frame.extensions)

function request(operation: string, message: Message) {
  switch (operation) {
    case 'MKDIR':
      return new MkdirRequest(message)
    case 'MKNOD':
      return new MknodRequest(message)
    case 'SYMLINK':
      return new SymlinkRequest(message)
    default:
      return new CreateRequest(message)
  }
}

/** Contexts as [name, value] in hexadecimal. */
function expected(fields: Fields): [string, string][] {
  return Object.keys(fields)
    .filter((key) => key.startsWith('context'))
    .map((key) => [fields[key], fields[key.replace('context', 'value')]])
}

for (const { operation, variant, fields, extensions, hex } of frames)
  test(`${operation}, ${variant}`, () => {
    const message = messageOf(hex)
    assert.equal(validateRequest(message, true), undefined)
    const q = request(operation, message)
    assert.equal(q.name.bytes.toString('hex'), fields.name)
    if (q instanceof SymlinkRequest) assert.equal(q.target.bytes.toString('hex'), fields.target)
    const contexts = q.securityContexts.map(({ name, value }) => [
      Buffer.from(name).toString('hex'),
      value.toString('hex'),
    ])
    assert.deepEqual(contexts, expected(extensions as Fields))
    const group = extensions?.group0
    assert.equal(q.supplementaryGroup, group === undefined ? -1 : Number(group))
  })

test('a request without extensions has none', () => {
  const { hex } = made().frames.find(({ operation }) => operation === 'MKDIR') as { hex: string }
  const q = new MkdirRequest(messageOf(hex))
  assert.deepEqual(q.securityContexts, [])
  assert.equal(q.supplementaryGroup, -1)
})

/** MKDIR of "d" with these bytes as its extensions, at the end of the memory that read(2) may fill. */
function withExtensions(bytes: number[]): MkdirRequest {
  const message = new Message(8192)
  const request = Buffer.alloc(message.capacity)
  request.writeUInt32LE(request.length, 0)
  request.writeUInt32LE(9, 4)
  request.write('d', 48)
  request.writeUInt16LE(bytes.length / 8, 36)
  request.set(bytes, request.length - bytes.length)
  load(message, request)
  assert.equal(validateRequest(message, true), undefined)
  return new MkdirRequest(message)
}

test('broken extensions give nothing, and nothing behind the request is read', () => {
  for (const bytes of [
    [8, 0, 0, 0, 32, 0, 0, 0], // groups without a count
    [16, 0, 0, 0, 32, 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0].slice(0, 8), // longer than the request
    [12, 0, 0, 0, 32, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0], // a count without its group
    [0, 0, 0, 0, 32, 0, 0, 0], // of no size
    [8, 0, 0, 0, 3, 0, 0, 0], // contexts that are not there
    [24, 0, 0, 0, 1, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0, 110, 0, 0, 0, 0, 0, 0, 0], // a value without end
    [24, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 110, 110, 110, 110, 110, 110, 110, 110], // a name without end
  ]) {
    const q = withExtensions(bytes)
    assert.equal(q.supplementaryGroup, -1, `${bytes}`)
    assert.deepEqual(q.securityContexts, [], `${bytes}`)
  }
})
