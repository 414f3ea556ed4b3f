// Listings of directories whose entries come and go in the meantime.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { needsRoot } from '../device/isolation.test.support.js'
import { type Client, serveFilesystem, startClient } from '../session/serve.test.support.js'
import { directory, file, type Memory, memory } from './memory.test.support.js'

const COUNT = 300
const name = (n: number) => `name-that-is-not-short-${n}`

interface Entry {
  name: string
  /** What telldir(3) would say after it. */
  offset: number
}

/** Opens a directory in the client, which keeps it open from one call to the next. */
async function openDirectory(client: Client, path: string) {
  await client.run(({ fs }, path) => {
    ;(globalThis as { directory?: number }).directory = fs.openSync(path, 'r')
  }, path)
  /** One getdents64(2) into `size` bytes, after a seek where an offset is given. */
  const list = (size: number, seek?: number) =>
    client.run(
      ({ native, sys, constants }, size, seek) => {
        const fd = (globalThis as { directory?: number }).directory as number
        const GETDENTS64 = process.arch === 'x64' ? 217 : 61
        if (seek !== undefined) native.syscall(sys.lseek, fd, seek, constants.SEEK_SET)
        const buffer = Buffer.alloc(size)
        const length = native.syscall(GETDENTS64, fd, native.address(buffer), size)
        if (length < 0) throw new Error(`getdents64: errno ${-length}`)
        const entries: { name: string; offset: number }[] = []
        for (let at = 0; at < length; at += buffer.readUInt16LE(at + 16)) {
          const end = buffer.indexOf(0, at + 19)
          entries.push({
            name: buffer.toString('latin1', at + 19, end),
            offset: Number(buffer.readBigInt64LE(at + 8)),
          })
        }
        return entries
      },
      size,
      seek,
    )
  const rest = async (size: number, seek?: number) => {
    const all: Entry[] = []
    for (let entries = await list(size, seek); entries.length > 0; entries = await list(size))
      all.push(...entries)
    return all
  }
  return { list, rest }
}

async function mounted(t: TestContext, plus: 'always' | 'never', made: Memory) {
  const { path } = await serveFilesystem(t, made.filesystem, { features: { readdirplus: plus } })
  return openDirectory(await startClient(t), path)
}

function many(): Memory {
  const root = directory()
  for (let n = 0; n < COUNT; n++) root.children.set(name(n), file())
  return memory(root)
}

for (const plus of ['always', 'never'] as const) {
  test(`offsets stay good while entries come and go (readdirplus ${plus})`, needsRoot, async (t) => {
    const made = many()
    const { list, rest } = await mounted(t, plus, made)
    const first = await list(600)
    assert.ok(first.length > 3 && first.length < 20)
    for (let n = 0; n < COUNT; n += 3) made.root.children.delete(name(n))
    for (let n = 0; n < 50; n++) made.root.children.set(`new-${n}`, file())
    const all = [...first, ...(await rest(600))]
    const names = all.map((entry) => entry.name)
    assert.deepEqual(names, ['.', '..', ...Array.from({ length: COUNT }, (_, n) => name(n))])

    const again = (await rest(4096, 0)).map((entry) => entry.name)
    assert.deepEqual(again.sort(), ['.', '..', ...made.root.children.keys()].sort())
  })

  test(`telldir and seekdir (readdirplus ${plus})`, needsRoot, async (t) => {
    const { list, rest } = await mounted(t, plus, many())
    const all = await rest(2000)
    assert.equal(all.length, COUNT + 2)
    assert.equal(new Set(all.map(({ offset }) => offset)).size, all.length)
    for (const at of [0, 1, 2, 57, 298, 300, 17]) {
      const next = await list(2000, all[at].offset)
      assert.equal(next[0]?.name, all[at + 1].name)
    }
    assert.deepEqual(await list(2000, all[COUNT + 1].offset), [])
    assert.deepEqual(await list(2000, 5_000_000), [])
    assert.deepEqual(await list(2000, 2 ** 32 + 3), [])
  })
}

test('a directory’s first reading may begin in its middle', needsRoot, async (t) => {
  const { list } = await mounted(t, 'never', many())
  assert.equal((await list(2000, 12))[0].name, name(10))
})

test('entries come with their nodes, looked up asynchronously', needsRoot, async (t) => {
  const root = directory({ gone: file() })
  for (let n = 0; n < 100; n++) root.children.set(name(n), file('x'.repeat(n)))
  const made = memory(root, {
    async lookup(parent, looked, attr) {
      const text = String(looked)
      asked.push(text)
      await turn()
      if (text === 'gone') return undefined
      if (text === name(7)) throw new Error('this one fails')
      const node = parent.children.get(text)
      if (node) attr.set({ ino: node.ino, mode: node.mode, size: node.data.length })
      return node
    },
  })
  const asked: string[] = []
  const { path, log } = await serveFilesystem(t, made.filesystem, { features: { readdirplus: 'always' } })
  const client = await startClient(t)
  const names = await client.run(({ fs }, root) => fs.readdirSync(root), path)
  assert.equal(names.length, 101)
  const listed = asked.length
  const sizes = await client.run(
    ({ fs }, root, names) => names.map((name) => fs.statSync(`${root}/${name}`).size),
    path,
    Array.from({ length: 100 }, (_, n) => name(n)).filter((_, n) => n !== 7),
  )
  assert.deepEqual(
    sizes,
    Array.from({ length: 100 }, (_, n) => n).filter((n) => n !== 7),
  )
  assert.equal(asked.length, listed, 'nothing had to be looked up again')
  assert.deepEqual(log, [])
})

test('a directory that cannot be listed', needsRoot, async (t) => {
  const made = memory(directory(), { readdir: () => Promise.reject(new Error('no list')) })
  const { path, log } = await serveFilesystem(t, made.filesystem)
  const client = await startClient(t)
  assert.equal(await client.run(({ fs, failure }, root) => failure(() => fs.readdirSync(root)), path), 'EIO')
  assert.match(String(log), /no list/)
})
