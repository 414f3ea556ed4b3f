import assert from 'node:assert/strict'
import {
  type FileHandle,
  link,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  stat,
  statfs,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { needsRoot } from '../device/isolation.test.support.js'
import { FilesystemError } from '../errors.js'
import { constants } from '../native.js'
import type { ReadRequest } from '../protocol/index.js'
import { Directory, File, Inode, mountTree, Symlink, type TreeMount, type TreeOptions } from './index.js'
import { mountForTest } from './mounting.test.support.js'

function mounted(t: TestContext, root: Inode, options: TreeOptions = {}): Promise<TreeMount> {
  return mountForTest(t, (path) => mountTree(root, path, options))
}

test('static content is read, whole and in parts', needsRoot, async (t) => {
  const bytes = Buffer.alloc(300_000, 'abcdefg')
  const root = new Directory({ text: new File('zażółć'), bytes: new File(bytes), to: new Symlink('text') })
  const { mountpoint: at } = await mounted(t, root)
  assert.deepEqual((await readdir(at)).sort(), ['bytes', 'text', 'to'])
  assert.equal(await readFile(join(at, 'text'), 'utf8'), 'zażółć')
  assert.equal(await readlink(join(at, 'to')), 'text')
  assert.deepEqual(await readFile(join(at, 'bytes')), bytes)
  const file = await open(join(at, 'bytes'))
  const { buffer, bytesRead } = await file.read(Buffer.alloc(100), 0, 100, 299_950)
  assert.deepEqual(buffer.subarray(0, bytesRead), bytes.subarray(299_950))
  await file.close()
})

test('one object with two names is one inode, and links are counted', needsRoot, async (t) => {
  const file = new File('x', { permissions: 0o640, uid: 1000, gid: 1001, mtime: new Date(86_400_000) })
  const sub = new Directory({ other: file })
  const { mountpoint: at } = await mounted(t, new Directory({ one: file, sub }))
  const [one, other] = await Promise.all([stat(join(at, 'one')), stat(join(at, 'sub/other'))])
  assert.equal(one.ino, other.ino)
  assert.equal(one.ino, file.ino)
  assert.deepEqual([one.nlink, one.mode, one.uid, one.gid, one.size], [2, 0o100640, 1000, 1001, 1])
  assert.equal(one.mtimeMs, 86_400_000)
  assert.equal((await stat(at)).nlink, 3)
  sub.remove('other')
  assert.equal(file.nlink, 1)
  sub.add('again', file)
  assert.equal(file.nlink, 2)
})

test('what a tree does not support is refused as read-only file systems do', needsRoot, async (t) => {
  const { mountpoint: at } = await mounted(t, new Directory({ file: new File('x'), sub: new Directory() }))
  const file = join(at, 'file')
  const refused = { code: 'EROFS' }
  await assert.rejects(writeFile(file, 'y'), refused)
  await assert.rejects(open(file, 'r+'), refused)
  await assert.rejects(open(join(at, 'new'), 'w'), refused)
  await assert.rejects(mkdir(join(at, 'new')), refused)
  await assert.rejects(unlink(file), refused)
  await assert.rejects(rename(file, join(at, 'new')), refused)
  await assert.rejects(link(file, join(at, 'new')), refused)
  assert.equal(await readFile(file, 'utf8'), 'x')
  assert.equal((await statfs(at)).blocks, 0)
  await assert.rejects(stat(join(at, 'absent')), { code: 'ENOENT' })
})

/** Upper case of what it is asked for, later. */
class Slow extends Inode {
  readonly opened: number[] = []
  released = 0
  constructor() {
    super(constants.S_IFREG | 0o644)
    this.size = 5
  }
  override async getattr() {
    await sleep(1)
    const { mode, size, ino } = this
    return { mode, size, ino, mtime: new Date(1000), btime: new Date(2000) }
  }
  override async open(flags: number) {
    await sleep(1)
    this.opened.push(flags & constants.O_ACCMODE)
    return { text: `opened${this.opened.length}` }
  }
  override async read(offset: number, size: number, handle: { text: string }, _request: ReadRequest) {
    await sleep(1)
    return handle.text.slice(offset, offset + Math.min(size, 7))
  }
  override async release(handle: { text: string }) {
    assert.match(handle.text, /^opened/)
    this.released++
  }
}

test('methods may be asynchronous, and a handle comes back with every use', needsRoot, async (t) => {
  const slow = new Slow()
  class Lazy extends Directory {
    override async lookup(name: string) {
      await sleep(1)
      return name === 'slow' ? slow : undefined
    }
    override async readdir() {
      await sleep(1)
      return [['slow', slow]] as const
    }
  }
  const { mountpoint: at, closed, unmount } = await mounted(t, new Lazy())
  assert.deepEqual(await readdir(at), ['slow'])
  const handles: FileHandle[] = []
  for (let index = 0; index < 2; index++) handles.push(await open(join(at, 'slow')))
  const texts = await Promise.all(handles.map((handle) => handle.read(Buffer.alloc(7), 0, 7, 0)))
  // The kernel may answer both from its pages, which either handle has filled.
  for (const { buffer, bytesRead } of texts) assert.match(buffer.toString('latin1', 0, bytesRead), /^opene$/)
  for (const handle of handles) await handle.close()
  assert.deepEqual(slow.opened, [constants.O_RDONLY, constants.O_RDONLY])
  assert.equal((await stat(join(at, 'slow'))).birthtimeMs, 2000)
  await unmount()
  await closed
  assert.equal(slow.released, 2)
})

test(
  'failures become errnos: a FilesystemError its own, an error of node:fs its own',
  needsRoot,
  async (t) => {
    const failing = (error: () => unknown) =>
      new (class extends Directory {
        override lookup(): never {
          throw error()
        }
      })()
    const root = new Directory({
      own: failing(() => new FilesystemError('ENOSPC')),
      system: failing(() => Object.assign(new Error(), { code: 'EACCES', errno: -13, syscall: 'open' })),
    })
    const { mountpoint: at } = await mounted(t, root)
    await assert.rejects(stat(join(at, 'own/x')), { code: 'ENOSPC' })
    await assert.rejects(stat(join(at, 'system/x')), { code: 'EACCES' })
  },
)

test('changes made by the program are seen at once when the kernel is told', needsRoot, async (t) => {
  const file = new File('before')
  const root = new Directory({ file })
  const forever = { entryTimeout: 3600, attrTimeout: 3600, negativeTimeout: 3600 }
  const { mountpoint: at, tree } = await mounted(t, root, forever)
  const path = join(at, 'file')
  assert.equal((await stat(path)).size, 6)
  await assert.rejects(stat(join(at, 'new')), { code: 'ENOENT' })
  file.content = 'and after'
  root.add('new', new File('new'))
  // The kernel still believes what it was told.
  assert.equal((await stat(path)).size, 6)
  await assert.rejects(stat(join(at, 'new')), { code: 'ENOENT' })
  tree.inodeChanged(file)
  tree.nameChanged(root, 'new')
  // Notifications are sent by another thread, in order.
  while ((await stat(path)).size !== 9) await sleep(1)
  assert.equal(await readFile(path, 'utf8'), 'and after')
  while ((await readFile(join(at, 'new'), 'utf8').catch(() => '')) !== 'new') await sleep(1)
})

test('an inode is told when the kernel has forgotten it', needsRoot, async (t) => {
  let forgotten = 0
  class Watched extends File {
    override forgotten(): void {
      forgotten++
    }
  }
  const root = new Directory({ file: new Watched('x') })
  const { mountpoint: at, tree } = await mounted(t, root, { entryTimeout: 3600 })
  await stat(join(at, 'file'))
  assert.equal(tree.nodeCount, 2)
  root.remove('file')
  tree.nameChanged(root, 'file')
  while (forgotten === 0) await sleep(1)
  assert.equal(tree.nodeCount, 1)
})

test('names that are no UTF-8 are strings with lone surrogates', needsRoot, async (t) => {
  const { mountpoint: at } = await mounted(t, new Directory({ 'a\udcff': new File('x') }))
  assert.deepEqual(await readdir(Buffer.from(at), 'buffer' as never), [Buffer.from([0x61, 0xff])])
  assert.equal(await readFile(Buffer.concat([Buffer.from(`${at}/a`), Buffer.of(0xff)]), 'utf8'), 'x')
})

test('listings tell the inode numbers of . and ..', needsRoot, async (t) => {
  const sub = new Directory()
  const root = new Directory({ sub })
  const { mountpoint: at } = await mounted(t, root)
  const { execFile } = await import('node:child_process')
  const output = await new Promise<string>((resolve) => {
    execFile('ls', ['-ai', join(at, 'sub')], (_error, text) => resolve(text))
  })
  assert.match(output, new RegExp(`^ *${sub.ino} \\.\\n`))
})

test('the root may be a file', needsRoot, async (t) => {
  const { mountpoint: target } = await mountForTest(t, async (path) => {
    const file = join(path, 'target')
    await writeFile(file, 'beneath')
    return mountTree(new File('above'), file)
  })
  assert.equal(await readFile(target, 'utf8'), 'above')
})
