// Changes made beneath a mount are seen through it, though the kernel may keep all it knows for ever (cache=always).
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { constants as c, type FileStatus, posix } from '@hawser/test-kit'
import type { MountedServer } from '../test-support/mounted-server.js'
import { needsRoot, run, Workspace } from '../test-support/workspace.js'
import type { MountOptions } from './types.js'

interface Place {
  workspace: Workspace
  server: MountedServer
  /** Of the same file system as the source, and not in it. */
  outside: string
  source: string
  top: string
}

const filesystems = ['ext4', 'tmpfs'] as const
/** Milliseconds: for what never comes, not for what comes late. */
const DEADLINE = 300_000
const disturber = fileURLToPath(new URL('../test-support/disturber-main.js', import.meta.url))

async function prepare(
  t: TestContext,
  filesystem: (typeof filesystems)[number],
  options: Partial<MountOptions> = {},
): Promise<Place> {
  const workspace = new Workspace(t)
  const base = workspace[filesystem]()
  const [source, outside] = ['source', 'outside'].map((name) => join(base, name))
  for (const path of [source, outside]) mkdirSync(path)
  const server = await workspace.serve(source, {
    cache: 'always',
    passthrough: 'off',
    watch: true,
    ...options,
  })
  return { workspace, server, outside, source, top: server.mountpoint }
}

/** Waits until `look` sees what it should. */
async function seen<T>(look: () => T, expected: T): Promise<void> {
  for (const end = Date.now() + DEADLINE; ; ) {
    let found: T | unknown
    try {
      found = look()
      assert.deepEqual(found, expected)
      return
    } catch (error) {
      if (Date.now() > end) throw error
    }
    await sleep(2)
  }
}

/** Changes names, data and attributes at random, in a process of its own; another one may be at the same files. */
async function disturb(directory: string, seed: number, steps: number): Promise<void> {
  const child = spawn(process.execPath, [disturber, directory, `${seed}`, `${steps}`], {
    cwd: '/',
    stdio: 'inherit',
  })
  const [status] = await once(child, 'close')
  assert.equal(status, 0)
}

/** Every name with its type, permissions, links, size and contents. */
function tree(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const path = join(directory, name)
      const { mode, nlink, size, mtimeMs } = statSync(path)
      const file = (mode & c.S_IFMT) === c.S_IFREG
      return [name, mode, nlink, mtimeMs, ...(file ? [size, readFileSync(path, 'latin1')] : [])].join(' ')
    })
}

const content = (path: string) => () => readFileSync(path, 'utf8')
const names = (path: string) => () => readdirSync(path).sort()
const status = (path: string) => statSync(path, { throwIfNoEntry: false })

for (const filesystem of filesystems) {
  test(`${filesystem}: names that come, go and change places`, needsRoot, async (t) => {
    const { source, outside, top } = await prepare(t, filesystem)
    const [beneath, through] = [source, top].map((at) => (name: string) => join(at, name))
    mkdirSync(beneath('a/b'), { recursive: true })
    for (const name of ['removed', 'moved', 'replacing', 'replaced', 'leaving', 'one', 'other'])
      writeFileSync(beneath(`a/${name}`), name)
    writeFileSync(join(outside, 'arriving'), 'arriving')
    mkdirSync(beneath('a/empty'))
    symlinkSync('old', beneath('a/link'))
    const listed = readdirSync(through('a')).sort()
    for (const name of listed) assert.ok(existsSync(through(`a/${name}`)) || name === 'link')
    const missing = ['made', 'arriving', 'b/moved', 'directory', 'directory/inside', 'pipe', 'hard']
    for (const name of missing) assert.ok(!existsSync(through(`a/${name}`)))
    assert.deepEqual(readdirSync(through('a')).sort(), listed)
    assert.deepEqual(readdirSync(through('a/b')), [])
    assert.equal(readlinkSync(through('a/link')), 'old')
    for (const name of ['replaced', 'one', 'other']) content(through(`a/${name}`))()

    writeFileSync(beneath('a/made'), 'made')
    await seen(content(through('a/made')), 'made')
    unlinkSync(beneath('a/removed'))
    await seen(() => existsSync(through('a/removed')), false)
    renameSync(beneath('a/moved'), beneath('a/b/moved'))
    await seen(() => [existsSync(through('a/moved')), content(through('a/b/moved'))()], [false, 'moved'])
    await seen(names(through('a/b')), ['moved'])
    renameSync(beneath('a/replacing'), beneath('a/replaced'))
    await seen(
      () => [existsSync(through('a/replacing')), content(through('a/replaced'))()],
      [false, 'replacing'],
    )
    renameSync(beneath('a/leaving'), join(outside, 'left'))
    await seen(() => existsSync(through('a/leaving')), false)
    renameSync(join(outside, 'arriving'), beneath('a/arriving'))
    await seen(content(through('a/arriving')), 'arriving')
    assert.equal(posix.rename(beneath('a/one'), beneath('a/other'), c.RENAME_EXCHANGE), 0)
    await seen(() => ['one', 'other'].map((name) => content(through(`a/${name}`))()), ['other', 'one'])
    mkdirSync(beneath('a/directory'))
    await seen(() => status(through('a/directory'))?.isDirectory(), true)
    writeFileSync(beneath('a/directory/inside'), 'inside')
    await seen(content(through('a/directory/inside')), 'inside')
    rmdirSync(beneath('a/empty'))
    await seen(() => existsSync(through('a/empty')), false)
    assert.equal(posix.mkfifo(beneath('a/pipe')), 0)
    await seen(() => status(through('a/pipe'))?.isFIFO(), true)
    linkSync(beneath('a/one'), beneath('a/hard'))
    await seen(content(through('a/hard')), 'other')
    unlinkSync(beneath('a/link'))
    symlinkSync('new', beneath('a/link'))
    await seen(() => readlinkSync(through('a/link')), 'new')
    await seen(names(through('a')), names(beneath('a'))())
    await seen(() => status(through('a'))?.mtimeMs, statSync(beneath('a')).mtimeMs)
  })

  test(`${filesystem}: a cached listing of names that nobody has looked up`, needsRoot, async (t) => {
    const { server, source, top } = await prepare(t, filesystem)
    mkdirSync(join(source, 'directory'))
    for (const name of ['one', 'other']) writeFileSync(join(source, 'directory', name), '')
    const listed = names(join(top, 'directory'))
    const readings = async () => {
      const { readdir = 0, readdirplus = 0 } = (await server.state()).operations
      return readdir + readdirplus
    }
    // What is held is not forgotten when somebody empties the machine's caches just now.
    const held = openSync(join(top, 'directory'), c.O_RDONLY | c.O_DIRECTORY)
    t.after(() => closeSync(held))
    // It is cached once the server is not asked again.
    for (let before = -1, tries = 0; before !== (await readings()); tries++) {
      assert.ok(tries < 100, 'listings are cached')
      before = await readings()
      assert.deepEqual(listed(), ['one', 'other'])
    }
    writeFileSync(join(source, 'directory/third'), '')
    await seen(listed, ['one', 'other', 'third'])
    renameSync(join(source, 'directory/third'), join(source, 'directory/3'))
    await seen(listed, ['3', 'one', 'other'])
    unlinkSync(join(source, 'directory/3'))
    await seen(listed, ['one', 'other'])
  })

  test(`${filesystem}: directories that move with all that is known in them`, needsRoot, async (t) => {
    const { source, outside, top } = await prepare(t, filesystem)
    mkdirSync(join(source, 'from/deep/deeper'), { recursive: true })
    mkdirSync(join(source, 'to'))
    for (const name of ['from/file', 'from/deep/file', 'from/deep/deeper/file'])
      writeFileSync(join(source, name), name)
    for (const name of ['from/file', 'from/deep/file', 'from/deep/deeper/file'])
      assert.equal(content(join(top, name))(), name)
    assert.ok(!existsSync(join(top, 'to/from')))
    const held = posix.open(join(top, 'from/deep'), c.O_RDONLY | c.O_DIRECTORY)
    t.after(() => posix.close(held))

    renameSync(join(source, 'from'), join(source, 'to/from'))
    await seen(() => existsSync(join(top, 'from')), false)
    await seen(content(join(top, 'to/from/deep/deeper/file')), 'from/deep/deeper/file')
    // What happens in it is still followed, also by those who held it before.
    writeFileSync(join(source, 'to/from/deep/file'), 'changed')
    await seen(content(join(top, 'to/from/deep/file')), 'changed')
    await seen(content(`/proc/self/fd/${held}/file`), 'changed')
    assert.ok(!existsSync(`/proc/self/fd/${held}/new`))
    writeFileSync(join(source, 'to/from/deep/new'), 'new')
    await seen(content(`/proc/self/fd/${held}/new`), 'new')

    renameSync(join(source, 'to/from'), join(outside, 'gone'))
    await seen(() => existsSync(join(top, 'to/from')), false)
    renameSync(join(outside, 'gone'), join(source, 'back'))
    await seen(content(join(top, 'back/deep/deeper/file')), 'from/deep/deeper/file')
    rmSync(join(source, 'back'), { recursive: true })
    await seen(names(top), ['to'])
    await seen(() => (posix.fstat(held) as FileStatus).nlink ?? 0, 0)
  })

  test(`${filesystem}: attributes`, needsRoot, async (t) => {
    const { source, top } = await prepare(t, filesystem, { acl: true, defaultPermissions: true })
    const [beneath, through] = [join(source, 'file'), join(top, 'file')]
    writeFileSync(beneath, 'content')
    mkdirSync(join(source, 'directory'))
    const look = () => statSync(through)
    assert.equal(look().mode & 0o777, 0o644)
    assert.equal(statSync(join(top, 'directory')).mode & 0o777, 0o755)
    assert.equal(posix.getxattr(through, 'user.mark'), -c.ENODATA)
    assert.equal(posix.getxattr(through, 'system.posix_acl_access'), -c.ENODATA)
    const held = openSync(through, 'r')
    t.after(() => closeSync(held))

    chmodSync(beneath, 0o600)
    await seen(() => look().mode & 0o777, 0o600)
    chownSync(beneath, 12, 34)
    await seen(() => [look().uid, look().gid], [12, 34])
    utimesSync(beneath, 1000, 2000)
    await seen(() => look().mtimeMs, 2_000_000)
    posix.setxattr(beneath, 'user.mark', 'value')
    await seen(() => String(posix.getxattr(through, 'user.mark')), 'value')
    run('setfacl', '-m', 'u:77:r', beneath)
    await seen(() => Buffer.isBuffer(posix.getxattr(through, 'system.posix_acl_access')), true)
    chmodSync(join(source, 'directory'), 0o700)
    await seen(() => statSync(join(top, 'directory')).mode & 0o777, 0o700)
    linkSync(beneath, join(source, 'second'))
    await seen(() => look().nlink, 2)
    assert.equal(statSync(join(top, 'second')).ino, look().ino)
    // By either name it is one file.
    chmodSync(join(source, 'second'), 0o640)
    await seen(() => look().mode & 0o777, 0o640)
    writeFileSync(join(source, 'second'), 'by the second name')
    await seen(content(through), 'by the second name')
    unlinkSync(beneath)
    await seen(() => statSync(join(top, 'second')).nlink, 1)
    unlinkSync(join(source, 'second'))
    await seen(() => (posix.fstat(held) as FileStatus).nlink, 0)
  })

  for (const passthrough of ['off', 'auto'] as const)
    test(
      `${filesystem}, passthrough=${passthrough}: data that is cached, open and mapped`,
      needsRoot,
      async (t) => {
        const { source, top } = await prepare(t, filesystem, { passthrough })
        const [beneath, through] = [join(source, 'file'), join(top, 'file')]
        const SIZE = 3 * 4096
        writeFileSync(beneath, Buffer.alloc(SIZE, 'a'))
        const fd = posix.open(through, c.O_RDWR)
        t.after(() => posix.close(fd))
        // Attributes are cached even where the kernel itself reads and writes.
        assert.equal(statSync(through).size, SIZE)
        appendFileSync(beneath, 'more')
        await seen(() => statSync(through).size, SIZE + 4)
        truncateSync(beneath, SIZE)
        await seen(() => statSync(through).size, SIZE)
        const map = posix.mmap(SIZE, c.PROT_READ | c.PROT_WRITE, c.MAP_SHARED, fd, 0)
        t.after(() => posix.munmap(map, SIZE))
        const mapped = (at: number) => String(posix.peek(map + at, 4))
        const stored = (at: number) => String(posix.pread(fd, 4, at))
        for (const at of [0, 4096, 8192]) assert.deepEqual([stored(at), mapped(at)], ['aaaa', 'aaaa'])

        const writer = posix.open(beneath, c.O_RDWR)
        t.after(() => posix.close(writer))
        posix.pwrite(writer, 'beneath', 4096)
        await seen(() => [stored(4096), mapped(4096)], ['bene', 'bene'])
        // Read again, kept again, changed again.
        posix.pwrite(writer, 'again', 4096)
        await seen(() => [stored(4096), mapped(4096)], ['agai', 'agai'])
        // What others have written through a mapping is told when they close it.
        const other = posix.open(beneath, c.O_RDWR)
        const written = posix.mmap(4096, c.PROT_READ | c.PROT_WRITE, c.MAP_SHARED, other, 0)
        posix.poke(written, 'poke')
        posix.munmap(written, 4096)
        posix.close(other)
        await seen(() => [stored(0), mapped(0)], ['poke', 'poke'])
        // The client's own store is not lost by a change elsewhere in the file.
        posix.poke(map + 8192, 'mine')
        posix.pwrite(writer, 'more', 4096)
        await seen(() => [stored(4096), mapped(8192)], ['more', 'mine'])
        await seen(() => String(posix.pread(writer, 4, 8192)), 'mine')

        appendFileSync(beneath, 'appended')
        await seen(() => statSync(through).size, SIZE + 8)
        assert.equal(String(posix.pread(fd, 8, SIZE)), 'appended')
        truncateSync(beneath, 4096)
        await seen(() => [statSync(through).size, posix.pread(fd, 4, 4096)], [4096, Buffer.alloc(0)])
        posix.fallocate(writer, 0, 0, SIZE)
        await seen(() => statSync(through).size, SIZE)
        assert.equal(posix.fallocate(writer, 3, 0, 4096), 0)
        await seen(() => stored(0), '\0\0\0\0')
        await seen(() => statSync(through).mtimeMs, statSync(beneath).mtimeMs)
      },
    )

  test(`${filesystem}: ten thousand files made and removed beneath`, needsRoot, async (t) => {
    const { server, source, top } = await prepare(t, filesystem)
    const COUNT = 10_000
    mkdirSync(join(source, 'many'))
    for (let i = 0; i < COUNT; i += 100) assert.ok(!existsSync(join(top, `many/${i}`)))
    assert.deepEqual(readdirSync(join(top, 'many')), [])
    for (let i = 0; i < COUNT; i++) writeFileSync(join(source, `many/${i}`), `${i}`)
    await seen(() => readdirSync(join(top, 'many')).length, COUNT)
    for (let i = 0; i < COUNT; i++) assert.equal(content(join(top, `many/${i}`))(), `${i}`)
    for (let i = 0; i < COUNT; i++) unlinkSync(join(source, `many/${i}`))
    await seen(() => readdirSync(join(top, 'many')).length, 0)
    for (let i = 0; i < COUNT; i++) await seen(() => existsSync(join(top, `many/${i}`)), false)
    // Nothing is remembered of what is gone.
    const { nodes } = await server.settled((state) => state.nodes <= 2)
    assert.ok(nodes <= 2, `${nodes} nodes`)
  })

  test(`${filesystem}: changes from both sides at once end in the same tree`, needsRoot, async (t) => {
    const { source, top } = await prepare(t, filesystem)
    // Beneath it goes faster.
    await Promise.all([disturb(top, 1, 3000), disturb(source, 2, 20_000)])
    await seen(() => tree(top), tree(source))
    // Once more, with all of it cached.
    writeFileSync(join(source, 'last'), 'made')
    await seen(() => tree(top), tree(source))
    await disturb(source, 3, 3000)
    writeFileSync(join(source, 'last'), 'changed')
    await seen(() => tree(top), tree(source))
  })

  test(`${filesystem}: more changes than the kernel's queue holds`, needsRoot, async (t) => {
    const { server, source, top } = await prepare(t, filesystem)
    const limit = Number(readFileSync('/proc/sys/fs/fanotify/max_queued_events', 'latin1'))
    for (const name of ['a', 'b']) mkdirSync(join(source, name))
    for (const name of ['a/data', 'a/removed', 'a/attributes', 'b/moved'])
      writeFileSync(join(source, name), 'old')
    for (const name of ['a/data', 'a/removed', 'a/attributes', 'b/moved'])
      assert.deepEqual([content(join(top, name))(), statSync(join(top, name)).mode & 0o777], ['old', 0o644])
    assert.ok(!existsSync(join(top, 'b/made')))
    for (const name of ['', 'a', 'b']) assert.ok(readdirSync(join(top, name)).length > 0)

    server.process.kill('SIGSTOP')
    try {
      for (let i = 0; i <= limit; i++) closeSync(openSync(join(source, `fill-${i}`), 'w'))
      writeFileSync(join(source, 'a/data'), 'new')
      unlinkSync(join(source, 'a/removed'))
      chmodSync(join(source, 'a/attributes'), 0o600)
      renameSync(join(source, 'b/moved'), join(source, 'b/here'))
      writeFileSync(join(source, 'b/made'), 'made')
    } finally {
      server.process.kill('SIGCONT')
    }
    await seen(content(join(top, 'a/data')), 'new')
    await seen(() => existsSync(join(top, 'a/removed')), false)
    await seen(() => statSync(join(top, 'a/attributes')).mode & 0o777, 0o600)
    await seen(content(join(top, 'b/here')), 'old')
    await seen(content(join(top, 'b/made')), 'made')
    await seen(names(join(top, 'b')), ['here', 'made'])
    // And changes are followed as before.
    chmodSync(join(source, 'a/attributes'), 0o644)
    await seen(() => statSync(join(top, 'a/attributes')).mode & 0o777, 0o644)
  })

  for (const passthrough of ['off', 'auto'] as const)
    test(
      `${filesystem}, passthrough=${passthrough}: the mount's own changes, and those elsewhere, are told to nobody`,
      needsRoot,
      async (t) => {
        const { server, source, outside, top } = await prepare(t, filesystem, { passthrough })
        mkdirSync(join(top, 'own'))
        assert.ok(!existsSync(join(top, 'own/last')))
        for (let i = 0; i < 300; i++) {
          const file = join(top, `own/${i}`)
          writeFileSync(file, 'written')
          appendFileSync(file, ' more')
          chmodSync(file, 0o600)
          posix.setxattr(file, 'user.mark', 'value')
          linkSync(file, `${file}-link`)
          renameSync(file, `${file}-moved`)
          truncateSync(`${file}-link`, 3)
          assert.equal(content(`${file}-moved`)(), 'wri')
          if (i % 2 === 0) rmSync(`${file}-link`)
          writeFileSync(join(outside, `${i}`), 'elsewhere')
          unlinkSync(join(outside, `${i}`))
        }
        // This one is told, after all that came before.
        writeFileSync(join(source, 'own/last'), '')
        await seen(() => existsSync(join(top, 'own/last')), true)
        const { invalidations } = await server.state()
        // Where the kernel itself writes, it does so as the client: at most the two writes of each file, and their closing.
        const most = passthrough === 'off' ? 4 : 4 + 300 * 4
        assert.ok(invalidations !== undefined && invalidations <= most, `${invalidations} invalidations`)
      },
    )
}

test('watch: what cannot be watched is refused in one line', needsRoot, async (t) => {
  const workspace = new Workspace(t)
  const { merged } = workspace.overlay()
  await assert.rejects(
    workspace.serve(merged, { watch: true }),
    /^Error: cannot open the source .*: changes beneath cannot be watched: its file system has no file handles$/,
  )
  await assert.rejects(workspace.serve(merged, { watch: true, submounts: true }), /exclude each other/)
  const session = await workspace.unprivileged()
  await assert.rejects(
    workspace.serveUnprivileged(session, session.directory, { watch: true }),
    /^Error: watch needs root/,
  )
})
