import assert from 'node:assert/strict'
import {
  link,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rmdir,
  stat,
  truncate,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { needsRoot } from '../device/isolation.test.support.js'
import { FilesystemError } from '../errors.js'
import { mount } from '../mount.js'
import { constants, errno } from '../native.js'
import { type PathOperations, pathFilesystem } from './index.js'
import { mountForTest, rename as renameWith } from './mounting.test.support.js'

interface Stored {
  mode: number
  data: Buffer
  mtime: Date
}

/** Files by path, as simple as can be; what is open keeps the file, as a descriptor does. */
class Store implements PathOperations<Stored> {
  readonly files = new Map<string, Stored>([['/', this.#new(constants.S_IFDIR | 0o755)]])
  /** The paths of reads and writes. */
  readonly seen: string[] = []

  #new(mode: number): Stored {
    return { mode, data: Buffer.alloc(0), mtime: new Date() }
  }
  async getattr(path: string, handle?: Stored) {
    const file = handle ?? this.files.get(path)
    return file && { mode: file.mode, size: file.data.length, mtime: file.mtime }
  }
  setattr(path: string, changes: { size?: number; mode?: number; mtime?: unknown }, handle?: Stored) {
    const file = handle ?? (this.files.get(path) as Stored)
    if (changes.size !== undefined) file.data = Buffer.concat([file.data], changes.size)
    if (changes.mode !== undefined) file.mode = changes.mode
    if (changes.mtime) {
      const { seconds } = changes.mtime as { seconds: number }
      file.mtime = new Date(seconds * 1000)
    }
  }
  readdir(path: string) {
    const inside = path === '/' ? '/' : `${path}/`
    const names = [...this.files.keys()].filter((key) => key.startsWith(inside) && key !== inside)
    return names.map((key) => key.slice(inside.length)).filter((name) => !name.includes('/'))
  }
  create(path: string, mode: number) {
    const file = this.#new(mode)
    this.files.set(path, file)
    return file
  }
  open(path: string) {
    return this.files.get(path) as Stored
  }
  read(path: string, buffer: Buffer, offset: number, file: Stored) {
    this.seen.push(`read ${path}`)
    return file.data.copy(buffer, 0, offset)
  }
  async write(path: string, data: Buffer, offset: number, file: Stored) {
    this.seen.push(`write ${path}`)
    const size = Math.max(file.data.length, offset + data.length)
    file.data = Buffer.concat([file.data], size)
    data.copy(file.data, offset)
  }
  mkdir(path: string, mode: number) {
    this.files.set(path, this.#new(mode))
  }
  unlink(path: string) {
    this.files.delete(path)
  }
  rmdir(path: string) {
    if (this.readdir(path).length > 0) throw new FilesystemError('ENOTEMPTY')
    this.files.delete(path)
  }
  rename(from: string, to: string, flags: number) {
    if (flags & constants.RENAME_NOREPLACE && this.files.has(to)) throw new FilesystemError('EEXIST')
    const moved = [...this.files].filter(([path]) => path === from || path.startsWith(`${from}/`))
    const replaced = [...this.files].filter(([path]) => path === to || path.startsWith(`${to}/`))
    for (const [path] of [...moved, ...replaced]) this.files.delete(path)
    for (const [path, file] of moved) this.files.set(to + path.slice(from.length), file)
    if (flags & constants.RENAME_EXCHANGE)
      for (const [path, file] of replaced) this.files.set(from + path.slice(to.length), file)
  }
}

async function mounted(t: TestContext, operations: PathOperations<Stored>, timeout = 3600): Promise<string> {
  const filesystem = pathFilesystem(operations, { entryTimeout: timeout, attrTimeout: timeout })
  return (await mountForTest(t, (path) => mount(filesystem, path))).mountpoint
}

test('files and directories by path', needsRoot, async (t) => {
  const store = new Store()
  const at = await mounted(t, store)
  await mkdir(join(at, 'a'))
  await writeFile(join(at, 'a/file'), 'hello')
  assert.equal(await readFile(join(at, 'a/file'), 'utf8'), 'hello')
  assert.deepEqual(await readdir(join(at, 'a')), ['file'])
  await truncate(join(at, 'a/file'), 2)
  assert.equal(store.files.get('/a/file')?.data.toString(), 'he')
  await utimes(join(at, 'a/file'), 5, 6)
  assert.equal((await stat(join(at, 'a/file'))).mtimeMs, 6000)
  await assert.rejects(rmdir(join(at, 'a')), { code: 'ENOTEMPTY' })
  await unlink(join(at, 'a/file'))
  await rmdir(join(at, 'a'))
  await assert.rejects(stat(join(at, 'a')), { code: 'ENOENT' })
  await assert.rejects(stat(join(at, 'none')), { code: 'ENOENT' })
})

test(
  'paths follow a directory that is renamed, for what is open and for what is cached',
  needsRoot,
  async (t) => {
    const store = new Store()
    const at = await mounted(t, store)
    await mkdir(join(at, 'old'))
    await mkdir(join(at, 'old/deep'))
    await writeFile(join(at, 'old/deep/file'), 'x')
    const file = await open(join(at, 'old/deep/file'), 'r+')
    const { ino } = await stat(join(at, 'old/deep/file'))
    await rename(join(at, 'old'), join(at, 'new'))
    store.seen.length = 0
    await file.write('yz', 1)
    assert.deepEqual(store.seen, ['write /new/deep/file'])
    assert.equal(await readFile(join(at, 'new/deep/file'), 'utf8'), 'xyz')
    assert.equal((await stat(join(at, 'new/deep/file'))).ino, ino)
    await file.truncate(1)
    assert.equal(store.files.get('/new/deep/file')?.data.toString(), 'x')
    // Another directory of the old name is another one.
    await mkdir(join(at, 'old'))
    await writeFile(join(at, 'old/file'), 'second')
    await file.write('!', 1)
    assert.equal(store.files.get('/new/deep/file')?.data.toString(), 'x!')
    await file.close()
  },
)

test('directories that are exchanged exchange what is below them', needsRoot, async (t) => {
  const store = new Store()
  const at = await mounted(t, store)
  for (const name of ['a', 'b']) {
    await mkdir(join(at, name))
    await writeFile(join(at, name, 'file'), name)
  }
  const [a, b] = await Promise.all(['a', 'b'].map((name) => open(join(at, name, 'file'), 'r+')))
  assert.equal(await renameWith(join(at, 'a'), join(at, 'b'), constants.RENAME_EXCHANGE), 0)
  store.seen.length = 0
  await a.write('A', 0)
  await b.write('B', 0)
  assert.deepEqual(store.seen, ['write /b/file', 'write /a/file'])
  assert.equal(await readFile(join(at, 'a/file'), 'utf8'), 'B')
  assert.equal(await renameWith(join(at, 'a'), join(at, 'b'), constants.RENAME_NOREPLACE), -errno.EEXIST)
  await a.write('1', 0)
  assert.equal(store.seen.at(-1), 'write /b/file')
  await Promise.all([a.close(), b.close()])
})

test(
  'a file that was removed while open goes on by its handle; its name is another file',
  needsRoot,
  async (t) => {
    const store = new Store()
    const at = await mounted(t, store)
    const path = join(at, 'file')
    await writeFile(path, 'first')
    const file = await open(path, 'r+')
    await unlink(path)
    await writeFile(path, 'second')
    await file.write('F', 0)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(10), 0, 10, 0)
    assert.equal(buffer.toString('latin1', 0, bytesRead), 'First')
    const [gone, there] = [await file.stat(), await stat(path)]
    assert.deepEqual([gone.size, gone.nlink, there.size, there.nlink], [5, 0, 6, 1])
    assert.notEqual(gone.ino, there.ino)
    assert.equal(await readFile(path, 'utf8'), 'second')
    await file.close()
  },
)

test('a file that was replaced by a rename goes on by its handle', needsRoot, async (t) => {
  const store = new Store()
  const at = await mounted(t, store)
  await writeFile(join(at, 'a'), 'aaaa')
  await writeFile(join(at, 'b'), 'b')
  const replaced = await open(join(at, 'b'))
  await rename(join(at, 'a'), join(at, 'b'))
  assert.equal((await replaced.stat()).size, 1)
  assert.equal((await stat(join(at, 'b'))).size, 4)
  await replaced.close()
})

test(
  'without handles a removed file is ENOENT, never the one that has its name now',
  needsRoot,
  async (t) => {
    const files = new Map([['/file', 'first']])
    const at = await mounted(t, {
      getattr: (path) => {
        if (path === '/') return { mode: constants.S_IFDIR | 0o755 }
        const text = files.get(path)
        return text === undefined ? undefined : { mode: constants.S_IFREG | 0o644, size: text.length }
      },
      readdir: () => [...files.keys()].map((path) => path.slice(1)),
      read: (path, _buffer, offset) => (files.get(path) as string).slice(offset),
      unlink: (path) => {
        files.delete(path)
      },
    })
    assert.equal(await readFile(join(at, 'file'), 'utf8'), 'first')
    const file = await open(join(at, 'file'))
    await unlink(join(at, 'file'))
    files.set('/file', 'other')
    await assert.rejects(file.stat(), { code: 'ENOENT' })
    await file.close()
    assert.equal(await readFile(join(at, 'file'), 'utf8'), 'other')
    await assert.rejects(open(join(at, 'file'), 'r+'), { code: 'EROFS' })
  },
)

test('a name that became something else behind our back is another file', needsRoot, async (t) => {
  const store = new Store()
  const at = await mounted(t, store, 0)
  await writeFile(join(at, 'x'), '1')
  const before = await stat(join(at, 'x'))
  store.files.set('/x', { mode: constants.S_IFDIR | 0o755, data: Buffer.alloc(0), mtime: new Date() })
  const after = await stat(join(at, 'x'))
  assert.equal(after.isDirectory(), true)
  assert.notEqual(after.ino, before.ino)
})

test('hard links are refused', needsRoot, async (t) => {
  const at = await mounted(t, new Store())
  await writeFile(join(at, 'x'), '1')
  await assert.rejects(link(join(at, 'x'), join(at, 'y')), { code: 'EPERM' })
})

test('names that are no UTF-8 are strings with lone surrogates', needsRoot, async (t) => {
  const store = new Store()
  const at = await mounted(t, store)
  const name = Buffer.concat([Buffer.from(`${at}/a`), Buffer.of(0xff)])
  await writeFile(name, 'x')
  assert.equal(store.files.get('/a\udcff')?.data.toString(), 'x')
  assert.equal(await readFile(name, 'utf8'), 'x')
})
