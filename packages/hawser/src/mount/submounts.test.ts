// Sources of several file systems, and of btrfs subvolumes: files of equal inode numbers are never taken for one.
import assert from 'node:assert/strict'
import {
  appendFileSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join, relative } from 'node:path'
import { type TestContext, test } from 'node:test'
import { constants as c, posix } from '@hawser/test-kit'
import { needsRoot, run, Workspace } from '../test-support/workspace.js'

interface Source {
  source: string
  /** Directories of its parts. */
  parts: string[]
}

/** The same in each: two names of one file, and a file. Made in the same order, they have the same inode numbers. */
function fill(directory: string, content: string): void {
  mkdirSync(join(directory, 'folder'))
  writeFileSync(join(directory, 'linked'), content)
  linkSync(join(directory, 'linked'), join(directory, 'folder/link'))
  writeFileSync(join(directory, 'file'), content)
}

function twoFilesystems(place: Workspace): Source {
  const source = place.ext4(64)
  fill(source, 'outer')
  const inner = place.ext4(64)
  fill(inner, 'inner')
  assert.equal(statSync(join(source, 'linked')).ino, statSync(join(inner, 'linked')).ino)
  // Its directory has the highest number of all: whatever the numbers of the two, they stay equal.
  mkdirSync(join(source, 'inner'))
  run('mount', '--bind', inner, join(source, 'inner'))
  return { source, parts: ['.', 'inner'] }
}

function subvolumes(place: Workspace): Source {
  const source = place.btrfs()
  for (const name of ['one', 'two']) run('btrfs', '-q', 'subvolume', 'create', join(source, name))
  for (const name of ['.', 'one', 'two']) fill(join(source, name), name)
  assert.equal(statSync(join(source, 'one/linked')).ino, statSync(join(source, 'two/linked')).ino)
  return { source, parts: ['.', 'one', 'two'] }
}

/** Inode numbers of all files below, as stat, statx and the directory tell them, must be one for one file. */
function checkNumbers(top: string, parts: string[]): void {
  const owners = new Map<bigint, string>()
  const visit = (directory: string) => {
    const fd = posix.open(directory, c.O_RDONLY | c.O_DIRECTORY)
    const entries = posix.readAllEntries(fd)
    posix.close(fd)
    assert.ok(Array.isArray(entries))
    for (const { name, ino } of entries) {
      if (['.', '..', 'lost+found'].includes(String(name))) continue
      const path = join(directory, String(name))
      const plain = lstatSync(path, { bigint: true })
      const extended = posix.lstatFresh(path)
      assert.ok(typeof extended === 'object')
      assert.equal(extended.ino, plain.ino, path)
      // A directory that another file system is mounted on, or a subvolume, has two numbers beneath as well.
      if (!parts.includes(relative(top, path))) assert.equal(ino, plain.ino, path)
      if (plain.isDirectory()) visit(path)
      const part = parts.findLast((one) => relative(top, path).startsWith(one)) ?? '.'
      const file = plain.nlink > 1n && !plain.isDirectory() ? `linked of ${part}` : path
      assert.equal(owners.get(plain.ino) ?? file, file, `${path} has the number of another file`)
      owners.set(plain.ino, file)
    }
  }
  visit(top)
}

function checkTools(place: Workspace, top: string, parts: string[], content: (part: string) => string): void {
  const [tarred, synced] = [place.directory('tarred'), place.directory('synced')]
  run('sh', '-c', `tar -C ${top} --exclude=lost+found -cf - . | tar -C ${tarred} -xf -`)
  run('rsync', '-aH', '--exclude=lost+found', `${top}/`, `${synced}/`)
  for (const copy of [tarred, synced])
    for (const part of parts) {
      for (const name of ['linked', 'folder/link', 'file'])
        assert.equal(readFileSync(join(copy, part, name), 'utf8'), content(part), join(copy, part, name))
      const [one, other] = ['linked', 'folder/link'].map((name) => statSync(join(copy, part, name)))
      assert.deepEqual([one.ino, one.nlink], [other.ino, 2])
    }
  const bytes = (directory: string) =>
    Number(run('du', '-sb', '--exclude=lost+found', directory).split('\t')[0])
  assert.ok(parts.length > 1)
  // du counts a file once by device and inode number: too many equal numbers make the sum too small.
  const files = parts.reduce((sum, part) => sum + 2 * content(part).length, 0)
  const directories = run('find', top, '-name', 'lost+found', '-prune', '-o', '-type', 'd', '-printf', '%s\n')
  assert.equal(bytes(top), files + directories.split('\n').reduce((sum, size) => sum + Number(size), 0))
}

async function served(
  t: TestContext,
  make: (place: Workspace) => Source,
  cache: 'never' | 'auto',
  submounts: boolean,
) {
  const place = new Workspace(t)
  const { source, parts } = make(place)
  const { mountpoint } = await place.serve(source, { cache, submounts })
  return { place, source, parts, top: mountpoint }
}

for (const cache of ['never', 'auto'] as const) {
  test(`submounts, cache=${cache}: two file systems with equal inode numbers`, needsRoot, async (t) => {
    const { place, source, parts, top } = await served(t, twoFilesystems, cache, true)
    checkNumbers(top, parts)
    checkTools(place, top, parts, (part) => (part === '.' ? 'outer' : 'inner'))
    // The first file system keeps its numbers.
    assert.equal(statSync(join(top, 'file')).ino, statSync(join(source, 'file')).ino)
    appendFileSync(join(top, 'inner/file'), ' and more')
    assert.equal(readFileSync(join(source, 'inner/file'), 'utf8'), 'inner and more')
    assert.equal(posix.link(join(top, 'file'), join(top, 'inner/link')), -c.EXDEV)
    assert.equal(posix.rename(join(top, 'file'), join(top, 'inner/moved')), -c.EXDEV)
  })

  test(`btrfs subvolumes, cache=${cache}: always apart`, needsRoot, async (t) => {
    const { place, parts, top } = await served(t, subvolumes, cache, false)
    checkNumbers(top, parts)
    checkTools(place, top, parts, (part) => part)
  })
}

test(
  'without submounts, another file system inside the source is an empty directory',
  needsRoot,
  async (t) => {
    const { source, top } = await served(t, twoFilesystems, 'auto', false)
    assert.deepEqual(readdirSync(join(top, 'inner')), [])
    assert.ok(readdirSync(join(source, 'inner')).length > 0)
    writeFileSync(join(top, 'inner/under'), '')
    assert.ok(!readdirSync(join(source, 'inner')).includes('under'))
  },
)

test('submounts: each tells its own free space', needsRoot, async (t) => {
  const place = new Workspace(t)
  const { source } = twoFilesystems(place)
  const small = place.tmpfs('size=1m')
  mkdirSync(join(source, 'small'))
  run('mount', '--bind', small, join(source, 'small'))
  const { mountpoint } = await place.serve(source, { submounts: true })
  for (const part of ['.', 'small'])
    assert.equal(statfsSync(join(mountpoint, part)).blocks, statfsSync(join(source, part)).blocks, part)
})

test('submounts, without root: two file systems with equal inode numbers', needsRoot, async (t) => {
  const place = new Workspace(t)
  const { source, parts } = twoFilesystems(place)
  run('chmod', '-R', 'o+rwX', source)
  const session = await place.unprivileged()
  const server = await place.serveUnprivileged(session, source, { submounts: true, allowOther: true })
  const top = place.seen(session, server.mountpoint)
  checkNumbers(top, parts)
  checkTools(place, top, parts, (part) => (part === '.' ? 'outer' : 'inner'))
})
