// What a client holds (O_PATH descriptors, directories, open files) while files are renamed, replaced and removed beneath
// the mount, and the server has long given its own descriptors up. It finds the same file again, or says ESTALE.
import assert from 'node:assert/strict'
import {
  closeSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { constants as c, errnoName, type FileStatus, posix } from '@hawser/test-kit'
import { needsRoot, run, Workspace } from '../test-support/workspace.js'
import type { MountOptions } from './types.js'

interface Place {
  source: string
  /** The mount, as this process sees it. */
  top: string
  /** Makes the server give up every descriptor that it need not keep. */
  flood(): void
}

interface Kind {
  filesystem: 'ext4' | 'tmpfs' | 'overlay'
  privileged: boolean
  /** Whether a file is found again under a name that the server has not seen. */
  byHandle: boolean
}

const kinds: Kind[] = [
  { filesystem: 'ext4', privileged: true, byHandle: true },
  { filesystem: 'tmpfs', privileged: true, byHandle: true },
  { filesystem: 'overlay', privileged: true, byHandle: false },
  { filesystem: 'ext4', privileged: false, byHandle: false },
  { filesystem: 'tmpfs', privileged: false, byHandle: false },
]

/** More directories than the server keeps descriptors (CACHED_DESCRIPTORS): going through all of them needs each slot once. */
const FLOOD = 1100

// An unprivileged server may change what this process makes.
process.umask(0)

async function prepare(
  t: TestContext,
  kind: Kind,
  options: Partial<MountOptions> = {},
  layer?: (lower: string) => void,
): Promise<Place> {
  const place = new Workspace(t)
  const base = kind.filesystem === 'overlay' ? place.overlay(layer).merged : place[kind.filesystem]()
  const source = join(base, 'source')
  mkdirSync(source, { recursive: true })
  mkdirSync(join(source, 'flood'))
  for (let i = 0; i < FLOOD; i++) mkdirSync(join(source, 'flood', `${i}`))
  const all = { allowOther: true, cache: 'never', passthrough: 'off', ...options } as const
  let top: string
  if (kind.privileged) top = (await place.serve(source, all)).mountpoint
  else {
    const session = await place.unprivileged()
    run('chown', '-R', `${session.uid}`, source)
    const server = await place.serveUnprivileged(session, source, all)
    top = place.seen(session, server.mountpoint)
  }
  // Each directory is held, so that a name in it is all that a flood asks for.
  const parent = hold(t, join(top, 'flood'))
  const directories = Array.from({ length: FLOOD }, (_, i) => {
    const fd = posix.openat(parent, `${i}`, c.O_PATH | c.O_CLOEXEC)
    assert.ok(fd >= 0, errnoName(fd))
    return fd
  })
  t.after(() => {
    for (const fd of directories) posix.close(fd)
  })
  let floods = 0
  const flood = () => {
    floods++
    for (const fd of directories) assert.equal(posix.faccessat(fd, `${floods}`, 0), -c.ENOENT)
  }
  return { source, top, flood }
}

function hold(t: TestContext, path: string, flags = c.O_PATH): number {
  const fd = posix.open(path, flags)
  assert.ok(fd >= 0, errnoName(fd))
  t.after(() => posix.close(fd))
  return fd
}

/** The file behind a held descriptor is `expected`, or where it need not be found again, ESTALE. */
function isOr(stale: boolean, answer: FileStatus | number, expected: FileStatus): void {
  if (typeof answer === 'number') {
    assert.equal(errnoName(answer), 'ESTALE')
    assert.ok(stale, 'found again by its handle')
  } else
    assert.deepEqual([answer.ino, answer.size, answer.mode], [expected.ino, expected.size, expected.mode])
}

const status = (path: string) => {
  const result = posix.stat(path)
  if (typeof result === 'number') throw new Error(`${path}: ${errnoName(result)}`)
  return result
}

for (const kind of kinds) {
  const { filesystem, privileged, byHandle } = kind
  const title = `${filesystem}, ${privileged ? 'root' : 'unprivileged'}`

  test(`${title}: files and directories that stay where they are are found again`, needsRoot, async (t) => {
    const { source, top, flood } = await prepare(t, kind)
    mkdirSync(join(source, 'a/b/c'), { recursive: true })
    writeFileSync(join(source, 'a/b/c/file'), 'content')
    const [file, directory] = [hold(t, join(top, 'a/b/c/file')), hold(t, join(top, 'a/b'))]
    flood()
    isOr(false, posix.fstat(file), status(join(source, 'a/b/c/file')))
    assert.equal(readFileSync(`/proc/self/fd/${file}`, 'utf8'), 'content')
    const inside = posix.openat(directory, 'c/file', c.O_RDWR | c.O_CREAT, 0o644)
    assert.ok(inside >= 0, errnoName(inside))
    posix.close(inside)
    flood()
    const made = posix.openat(directory, 'made', c.O_RDWR | c.O_CREAT, 0o644)
    assert.ok(made >= 0, errnoName(made))
    posix.close(made)
    assert.ok(statSync(join(source, 'a/b/made')).isFile())
  })

  test(`${title}: renamed by the mount's own users, everything is found again`, needsRoot, async (t) => {
    const { source, top, flood } = await prepare(t, kind)
    mkdirSync(join(source, 'from/deep'), { recursive: true })
    mkdirSync(join(source, 'to'))
    writeFileSync(join(source, 'from/deep/file'), 'content')
    const held = hold(t, join(top, 'from/deep/file'))
    const directory = hold(t, join(top, 'from/deep'))
    renameSync(join(top, 'from/deep/file'), join(top, 'to/file'))
    renameSync(join(top, 'from'), join(top, 'to/elsewhere'))
    flood()
    isOr(false, posix.fstat(held), status(join(source, 'to/file')))
    assert.equal(readFileSync(`/proc/self/fd/${held}`, 'utf8'), 'content')
    isOr(false, posix.fstat(directory), status(join(source, 'to/elsewhere/deep')))
    assert.equal(posix.openat(directory, 'file', c.O_RDONLY), -c.ENOENT)
  })

  test(`${title}: renamed beneath the mount`, needsRoot, async (t) => {
    const { source, top, flood } = await prepare(t, kind)
    mkdirSync(join(source, 'directory'))
    writeFileSync(join(source, 'directory/file'), 'content')
    const held = hold(t, join(top, 'directory/file'))
    const directory = hold(t, join(top, 'directory'))
    flood()
    renameSync(join(source, 'directory/file'), join(source, 'elsewhere'))
    isOr(!byHandle, posix.fstat(held), status(join(source, 'elsewhere')))
    renameSync(join(source, 'directory'), join(source, 'other'))
    isOr(!byHandle, posix.fstat(directory), status(join(source, 'other')))
    // Seen under its new name, it is the same file again, whoever holds it.
    assert.equal(readFileSync(join(top, 'elsewhere'), 'utf8'), 'content')
    isOr(false, posix.fstat(held), status(join(source, 'elsewhere')))
    assert.equal(status(join(top, 'other')).ino, status(join(source, 'other')).ino)
    isOr(false, posix.fstat(directory), status(join(source, 'other')))
  })

  test(`${title}: replaced and removed beneath the mount`, needsRoot, async (t) => {
    const { source, top, flood } = await prepare(t, kind)
    for (const name of ['replaced', 'removed', 'linked', 'opened']) writeFileSync(join(source, name), 'old')
    mkdirSync(join(source, 'directory'))
    writeFileSync(join(source, 'directory/old'), '')
    linkSync(join(source, 'linked'), join(source, 'other link'))
    const [replaced, removed, linked] = ['replaced', 'removed', 'linked'].map((name) =>
      hold(t, join(top, name)),
    )
    const directory = hold(t, join(top, 'directory'))
    const opened = hold(t, join(top, 'opened'), c.O_RDWR)
    const before = [replaced, removed, linked].map((fd) => posix.fstat(fd) as FileStatus)
    flood()

    writeFileSync(join(source, 'new'), 'another file')
    renameSync(join(source, 'new'), join(source, 'replaced'))
    unlinkSync(join(source, 'removed'))
    unlinkSync(join(source, 'linked'))
    unlinkSync(join(source, 'opened'))
    rmSync(join(source, 'directory'), { recursive: true })
    mkdirSync(join(source, 'directory'))
    writeFileSync(join(source, 'directory/new'), '')

    isOr(true, posix.fstat(replaced), before[0])
    isOr(true, posix.fstat(removed), before[1])
    isOr(!byHandle, posix.fstat(linked), before[2])
    const inside = posix.openat(directory, 'new', c.O_RDONLY)
    assert.ok(inside < 0, 'a removed directory does not show its successor')
    assert.equal(readFileSync(join(top, 'replaced'), 'utf8'), 'another file')
    assert.equal(statSync(join(top, 'directory/new')).size, 0)
    // What is open stays open.
    assert.equal(posix.pwrite(opened, 'still', 0), 5)
    assert.equal(String(posix.pread(opened, 10, 0)), 'still')
    assert.equal((posix.fstat(opened) as FileStatus).nlink, 0)
  })

  for (const cache of ['auto', 'always'] as const)
    test(
      `${title}, cache=${cache}: an inode number that is used again is another file`,
      needsRoot,
      async (t) => {
        const { source, top, flood } = await prepare(t, kind, { cache })
        const ROUNDS = 15
        let repeated = 0
        for (let round = 0; round < ROUNDS; round++) {
          const [name, next] = [`first-${round}`, `second-${round}`]
          writeFileSync(join(source, name), `old data ${round}`)
          const { ino } = status(join(source, name))
          const held = posix.open(join(top, name), c.O_PATH)
          assert.equal(readFileSync(join(top, name), 'utf8'), `old data ${round}`)
          // The number is free when the server has no descriptor left.
          flood()
          unlinkSync(join(source, name))
          const tries = []
          for (let i = 0; i < 5; i++) {
            tries.push(`${next}-${i}`)
            writeFileSync(join(source, `${next}-${i}`), `new data ${round}`, { mode: 0o604 })
            if (status(join(source, `${next}-${i}`)).ino === ino) break
          }
          for (const one of tries) {
            if (status(join(source, one)).ino === ino) repeated++
            assert.equal(readFileSync(join(top, one), 'utf8'), `new data ${round}`)
            assert.equal(status(join(top, one)).mode & 0o777, 0o604)
          }
          const old = posix.fstat(held)
          // Attributes that the kernel still has are those of the old file.
          if (typeof old !== 'number') assert.equal(old.mode & 0o777, 0o666)
          else assert.equal(errnoName(old), 'ESTALE')
          closeSync(held)
        }
        t.diagnostic(`${repeated} of ${ROUNDS} inode numbers were used again`)
        if (filesystem === 'ext4') assert.ok(repeated > 0, 'no inode number was used again')
      },
    )
}

test('overlay, root: files and directories that are copied up stay the same', needsRoot, async (t) => {
  const kind = { filesystem: 'overlay', privileged: true, byHandle: false } as const
  const { source, top, flood } = await prepare(t, kind, { cache: 'auto' }, (lower) => {
    mkdirSync(join(lower, 'source/directory'), { recursive: true })
    writeFileSync(join(lower, 'source/directory/file'), 'lower')
    writeFileSync(join(lower, 'source/read'), 'lower')
  })
  const file = hold(t, join(top, 'directory/file'))
  const directory = hold(t, join(top, 'directory'))
  const open = hold(t, join(top, 'read'), c.O_RDONLY)
  flood()
  writeFileSync(join(top, 'directory/file'), 'upper')
  writeFileSync(join(top, 'directory/new'), '')
  writeFileSync(join(top, 'read'), 'upper')
  flood()
  isOr(false, posix.fstat(file), status(join(source, 'directory/file')))
  assert.equal(readFileSync(`/proc/self/fd/${file}`, 'utf8'), 'upper')
  isOr(false, posix.fstat(directory), status(join(source, 'directory')))
  const inside = posix.openat(directory, 'new', c.O_RDONLY)
  assert.ok(inside >= 0, errnoName(inside))
  posix.close(inside)
  assert.ok(typeof posix.fstat(open) === 'object')
  assert.equal(readFileSync(join(top, 'read'), 'utf8'), 'upper')
})

for (const privileged of [true, false])
  test(
    `renamed and removed after many other names, ${privileged ? 'overlay, root' : 'ext4, unprivileged'}`,
    needsRoot,
    async (t) => {
      const kind: Kind = { filesystem: privileged ? 'overlay' : 'ext4', privileged, byHandle: false }
      const { source, top, flood } = await prepare(t, kind)
      mkdirSync(join(source, 'many'))
      const MANY = 20_000
      run('sh', '-c', `cd ${source}/many && seq ${MANY} | xargs touch`)
      for (const name of ['moved', 'swapped', 'replaced', 'removed', 'other', 'new'])
        writeFileSync(join(source, name), name)
      const held = Object.fromEntries(
        ['moved', 'swapped', 'replaced', 'removed'].map((name) => [name, hold(t, join(top, name))]),
      )
      const open = posix.open(join(top, 'removed'), c.O_RDONLY)
      // More names than the server remembers.
      const many = hold(t, join(top, 'many'))
      for (let i = 1; i <= MANY; i++) assert.equal(posix.faccessat(many, `${i}`, 0), 0)
      const before = Object.fromEntries(Object.keys(held).map((name) => [name, status(join(source, name))]))
      renameSync(join(top, 'moved'), join(top, 'to'))
      assert.equal(posix.rename(join(top, 'swapped'), join(top, 'other'), c.RENAME_EXCHANGE), 0)
      renameSync(join(top, 'new'), join(top, 'replaced'))
      unlinkSync(join(top, 'removed'))
      posix.close(open)
      flood()
      for (const [name, fd] of Object.entries(held)) {
        const answer = posix.fstat(fd)
        assert.ok(typeof answer === 'object', `${name}: ${answer}`)
        isOr(false, answer, before[name])
      }
      for (const [name, fd] of Object.entries(held))
        assert.equal(readFileSync(`/proc/self/fd/${fd}`, 'utf8'), name)
    },
  )

test(
  'unprivileged: a file below more directories than there are descriptors gets its link where it was asked for',
  needsRoot,
  async (t) => {
    const place = new Workspace(t)
    const source = join(place.ext4(), 'source')
    mkdirSync(source)
    const DEPTH = 1500
    // Deeper than a path may be long: each directory is made in the one above.
    const down = (make: boolean, from: string): number => {
      let fd = posix.open(from, c.O_PATH)
      for (let i = 0; i < DEPTH; i++) {
        if (make) mkdirSync(`/proc/self/fd/${fd}/d`)
        const next = posix.openat(fd, 'd', c.O_PATH)
        posix.close(fd)
        fd = next
      }
      return fd
    }
    const bottom = down(true, source)
    writeFileSync(`/proc/self/fd/${bottom}/file`, 'content')
    posix.close(bottom)
    mkdirSync(join(source, 'top'))
    mkdirSync(join(source, 'flood'))
    for (let i = 0; i < FLOOD; i++) mkdirSync(join(source, 'flood', `${i}`))
    const session = await place.unprivileged()
    run('chown', '-R', `${session.uid}`, source)
    const server = await place.serveUnprivileged(session, source, {
      allowOther: true,
      cache: 'never',
      passthrough: 'off',
    })
    const top = place.seen(session, server.mountpoint)
    const directory = down(false, top)
    const fd = posix.openat(directory, 'file', c.O_PATH)
    t.after(() => [fd, directory].map(posix.close))
    // Everything but what is looked into last is given up.
    for (let i = 0; i < FLOOD; i++) posix.access(join(top, 'flood', `${i}`, 'none'), 0)
    posix.access(join(top, 'top/none'), 0)
    assert.equal(posix.link(`/proc/self/fd/${fd}`, join(top, 'top/linked'), c.AT_SYMLINK_FOLLOW), 0)
    assert.equal(readFileSync(join(source, 'top/linked'), 'utf8'), 'content')
    run('rm', '-rf', source)
  },
)

test('what is not removed after all costs no descriptor', needsRoot, async (t) => {
  const place = new Workspace(t)
  const source = place.tmpfs()
  for (let i = 0; i < 3000; i++) mkdirSync(join(source, `${i}`, 'inside'), { recursive: true })
  const server = await place.serve(source)
  for (let i = 0; i < 3000; i++) {
    assert.equal(posix.rmdir(server.path(`${i}`)), -c.ENOTEMPTY)
    assert.equal(posix.rename(server.path('0/inside'), server.path(`${i}`)), -c.ENOTEMPTY)
  }
  const { descriptors } = await server.state()
  assert.ok(descriptors < 1200, `${descriptors} descriptors`)
})
