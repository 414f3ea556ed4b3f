// One file with several names is one file, whatever the kernel may keep.
import assert from 'node:assert/strict'
import {
  appendFileSync,
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { constants as c, errnoName, posix } from '@hawser/test-kit'
import { needsRoot, run, Workspace } from '../test-support/workspace.js'

for (const cache of ['never', 'auto', 'always'] as const)
  for (const passthrough of ['off', 'auto'] as const) {
    const title = `cache=${cache}, passthrough=${passthrough}`

    test(`${title}: every name shows the same file`, needsRoot, async (t) => {
      const place = new Workspace(t)
      const source = place.ext4(64)
      const { mountpoint: top } = await place.serve(source, { cache, passthrough })
      mkdirSync(join(top, 'a/b'), { recursive: true })
      const names = ['one', 'a/two', 'a/b/three'].map((name) => join(top, name))
      writeFileSync(names[0], 'first')
      for (const name of names.slice(1)) linkSync(names[0], name)

      const same = (content: string, nlink: number, paths = names) => {
        for (const path of paths) {
          const { ino, nlink: links, size, mode } = statSync(path)
          const first = statSync(paths[0])
          assert.deepEqual([ino, links, size, mode], [first.ino, nlink, content.length, first.mode], path)
          assert.equal(readFileSync(path, 'utf8'), content, path)
        }
      }
      same('first', 3)
      assert.equal(statSync(names[0]).ino, statSync(join(source, 'one')).ino)
      writeFileSync(names[2], 'by another name')
      same('by another name', 3)
      appendFileSync(names[1], ', longer')
      same('by another name, longer', 3)
      chmodSync(names[1], 0o600)
      for (const path of names) assert.equal(statSync(path).mode & 0o777, 0o600)
      posix.setxattr(names[0], 'user.proof', 'shared')
      assert.equal(String(posix.getxattr(names[2], 'user.proof')), 'shared')

      // Written by one descriptor, read by another that was opened by another name before.
      const [writer, reader] = [names[0], names[2]].map((path) => posix.open(path, c.O_RDWR))
      assert.equal(posix.pwrite(writer, 'BY', 0), 2)
      assert.equal(String(posix.pread(reader, 5, 0)), 'BY an')
      posix.close(writer)
      posix.close(reader)
      same('BY another name, longer', 3)

      renameSync(names[1], join(top, 'moved'))
      same('BY another name, longer', 3, [names[0], join(top, 'moved'), names[2]])
      unlinkSync(names[0])
      same('BY another name, longer', 2, [join(top, 'moved'), names[2]])
      // Two names of one file: nothing happens (POSIX).
      renameSync(names[2], join(top, 'moved'))
      same('BY another name, longer', 2, [join(top, 'moved'), names[2]])
      writeFileSync(join(top, 'other'), 'other')
      renameSync(join(top, 'other'), names[2])
      same('BY another name, longer', 1, [join(top, 'moved')])
      same('other', 1, [names[2]])
      unlinkSync(join(top, 'moved'))
      assert.equal(posix.access(join(source, 'moved'), 0), -c.ENOENT)
    })

    test(
      `${title}: a file that loses all names but those it had is still the one that is open`,
      needsRoot,
      async (t) => {
        const place = new Workspace(t)
        const { mountpoint: top } = await place.serve(place.ext4(64), { cache, passthrough })
        writeFileSync(join(top, 'name'), 'content')
        const fd = posix.open(join(top, 'name'), c.O_RDWR)
        linkSync(join(top, 'name'), join(top, 'second'))
        unlinkSync(join(top, 'name'))
        writeFileSync(join(top, 'name'), 'successor')
        assert.equal(String(posix.pread(fd, 100, 0)), 'content')
        assert.equal(readFileSync(join(top, 'second'), 'utf8'), 'content')
        unlinkSync(join(top, 'second'))
        assert.equal(String(posix.pread(fd, 100, 0)), 'content')
        // A file without a name can be given one again, by its descriptor, while it has any link; never after.
        const result = posix.linkat(
          c.AT_FDCWD,
          `/proc/self/fd/${fd}`,
          c.AT_FDCWD,
          join(top, 'third'),
          c.AT_SYMLINK_FOLLOW,
        )
        assert.equal(errnoName(result), 'ENOENT')
        posix.close(fd)
      },
    )
  }

test('symlinks and special files have hard links too', needsRoot, async (t) => {
  const place = new Workspace(t)
  const { mountpoint: top } = await place.serve(place.ext4(64))
  symlinkSync('/nowhere', join(top, 'symlink'))
  posix.mkfifo(join(top, 'fifo'))
  for (const name of ['symlink', 'fifo']) {
    assert.equal(posix.link(join(top, name), join(top, `${name} 2`)), 0)
    const [one, other] = [name, `${name} 2`].map((each) => lstatSync(join(top, each)))
    assert.deepEqual([one.ino, one.mode, one.nlink], [other.ino, other.mode, 2])
  }
})

test('tar keeps hard links, and unpacks them as such', needsRoot, async (t) => {
  const place = new Workspace(t)
  const { mountpoint: top } = await place.serve(place.ext4(64))
  mkdirSync(join(top, 'from/deep'), { recursive: true })
  mkdirSync(join(top, 'to'))
  writeFileSync(join(top, 'from/a'), 'content')
  linkSync(join(top, 'from/a'), join(top, 'from/deep/b'))
  run('sh', '-c', `tar -C ${top}/from -cf - . | tar -C ${top}/to -xf -`)
  assert.equal(statSync(join(top, 'to/a')).ino, statSync(join(top, 'to/deep/b')).ino)
  assert.equal(statSync(join(top, 'to/a')).nlink, 2)
})
