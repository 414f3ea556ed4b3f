// Errors, flags, owners and times: a mount tells what the file beneath would.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { constants, Opcode } from '@hawser/fuse'
import {
  constants as c,
  errnoName,
  type FileStatus,
  type FilesystemStatus,
  Peer,
  posix,
  type User,
} from '@hawser/test-kit'
import { openPassthrough } from '../sources/passthrough/index.js'
import { name, RawClient, u32, u64 } from '../test-support/raw-client.js'
import { until } from '../test-support/until.js'
import { needsRoot, run, Workspace } from '../test-support/workspace.js'

async function user(t: TestContext, uid: number, gid: number, groups: number[]): Promise<Peer> {
  const peer = await Peer.start({ uid, gid, groups } satisfies User)
  t.after(() => peer.kill())
  return peer
}

for (const kind of ['tmpfs', 'ext4'] as const)
  for (const passthrough of ['off', 'auto'] as const)
    test(
      `a full ${kind}, passthrough=${passthrough}: writers are told, and nothing else is harmed`,
      needsRoot,
      async (t) => {
        const place = new Workspace(t)
        const source = kind === 'tmpfs' ? place.tmpfs('size=4m') : place.ext4(16)
        const server = await place.serve(source, { passthrough })
        const top = server.mountpoint
        writeFileSync(join(top, 'before'), 'content')
        const fd = posix.open(join(top, 'large'), c.O_CREAT | c.O_RDWR, 0o644)
        const block = Buffer.alloc(1 << 16, 'x')
        const outcomes: string[] = []
        let size = 0
        for (let i = 0; i < 400 && outcomes.length === 0; i++) {
          const written = posix.write(fd, block)
          if (written < 0) outcomes.push(errnoName(written))
          else size += written
        }
        outcomes.push(errnoName(posix.fallocate(fd, c.FALLOC_FL_KEEP_SIZE, 0, 1 << 26)))
        // Delayed allocation may say so only now.
        for (const late of [posix.fsync(fd), posix.close(fd)]) if (late < 0) outcomes.push(errnoName(late))
        assert.deepEqual([...new Set(outcomes)], ['ENOSPC'])
        assert.equal(statSync(join(top, 'large')).size, size)
        assert.equal(statSync(join(source, 'large')).size, size)
        assert.equal(posix.unlink(join(top, 'large')), 0)
        // The blocks are free when the last descriptor is closed, which nobody waits for.
        await until(() => (posix.statfs(source) as FilesystemStatus).blocksFree >= 100)
        writeFileSync(join(top, 'after'), 'content')
        assert.equal(String(posix.getxattr(join(top, 'before'), 'user.none')), String(-c.ENODATA))
      },
    )

for (const passthrough of ['off', 'auto'] as const)
  test(
    `passthrough=${passthrough}: a program that runs cannot be written, one that is written cannot run`,
    needsRoot,
    async (t) => {
      const place = new Workspace(t)
      const { mountpoint: top } = await place.serve(place.ext4(64), { passthrough })
      const program = join(top, 'program')
      copyFileSync('/bin/sleep', program)
      chmodSync(program, 0o755)
      const child = spawn(program, ['1000'], { stdio: 'ignore' })
      t.after(() => child.kill('SIGKILL'))
      await once(child, 'spawn')
      assert.equal(errnoName(posix.open(program, c.O_WRONLY)), 'ETXTBSY')
      assert.equal(errnoName(posix.truncate(program, 0)), 'ETXTBSY')
      child.kill('SIGKILL')
      await once(child, 'exit')
      const fd = posix.open(program, c.O_RDWR)
      assert.ok(fd >= 0, errnoName(fd))
      assert.throws(() => spawn(program, ['0']), { code: 'ETXTBSY' })
      posix.close(fd)
    },
  )

test(
  'root’s writes leave set-id bits alone, in whatever thread and after whatever opens',
  needsRoot,
  async (t) => {
    const place = new Workspace(t)
    const source = place.ext4(64)
    for (const name of ['plain', 'set']) writeFileSync(join(source, name), 'content')
    chmodSync(join(source, 'set'), 0o6755)
    const { mountpoint: top } = await place.serve(source)
    const written = posix.open(join(top, 'set'), c.O_WRONLY | c.O_DSYNC)
    // Handed to the kernel without the privilege to keep such bits.
    const plain = posix.open(join(top, 'plain'), c.O_RDWR)
    // Synchronous writes are another thread's work, which begins with this one.
    assert.equal(posix.pwrite(written, 'changed', 0), 7)
    assert.equal(statSync(join(source, 'set')).mode & 0o7777, 0o6755)
    posix.close(written)
    posix.close(plain)
  },
)

test('chattr and lsattr', needsRoot, async (t) => {
  const place = new Workspace(t)
  const source = place.ext4(64)
  const { mountpoint: top } = await place.serve(source)
  writeFileSync(join(top, 'file'), 'content')
  mkdirSync(join(top, 'directory'))
  run('chattr', '+iA', join(top, 'file'))
  run('chattr', '+d', join(top, 'directory'))
  const flags = (directory: string) => run('lsattr', directory).replaceAll(directory, '')
  assert.equal(flags(top), flags(source))
  assert.match(flags(source), /i-+A.* \/file/)
  assert.equal(errnoName(posix.unlink(join(top, 'file'))), 'EPERM')
  assert.equal(errnoName(posix.open(join(top, 'file'), c.O_WRONLY)), 'EPERM')
  run('chattr', '-i', join(top, 'file'))
  assert.equal(posix.unlink(join(top, 'file')), 0)
  // Project numbers come by the newer ioctl.
  assert.equal(
    run('lsattr', '-p', top).replaceAll(top, ''),
    run('lsattr', '-p', source).replaceAll(source, ''),
  )
})

test('whose flags a user may change is checked here too: older kernels do not', needsRoot, async (t) => {
  const place = new Workspace(t)
  const source = place.ext4(64)
  for (const name of ['own', 'foreign']) writeFileSync(join(source, name), '')
  chownSync(join(source, 'own'), 64001, 64001)
  const { filesystem, features } = openPassthrough({
    directory: source,
    cache: 'never',
    readOnly: false,
    kernelPassthrough: false,
    forwardLocks: false,
    submounts: false,
    xattr: true,
    acl: false,
  })
  const client = await RawClient.connect(filesystem, features)
  place.atEnd(() => client.close())
  const [NODUMP, IMMUTABLE, XNODUMP, XAPPEND] = [0x40, 0x10, 0x80, 0x10]
  const change = async (uid: number, file: string, command: number, flags: number) => {
    const node = Number((await client.request(Opcode.LOOKUP, 1, name(file))).body.readBigUInt64LE(0))
    const size = command === constants.FS_IOC_SETFLAGS ? 4 : 28
    const argument = Buffer.alloc(size)
    argument.writeUInt32LE(flags)
    const fh = (await client.request(Opcode.OPEN, node, u32(c.O_RDONLY, 0))).body.readBigUInt64LE(0)
    client.uid = uid
    const { error } = await client.request(
      Opcode.IOCTL,
      node,
      u64(fh),
      u32(0, command),
      u64(0),
      u32(size, 0),
      argument,
    )
    client.uid = 0
    return error === 0 ? '' : errnoName(-error)
  }
  const { FS_IOC_SETFLAGS: plain, FS_IOC_FSSETXATTR: extended } = constants
  assert.equal(await change(64001, 'foreign', plain, NODUMP), 'EPERM')
  assert.equal(await change(64001, 'foreign', extended, XNODUMP), 'EPERM')
  assert.equal(await change(64001, 'own', plain, IMMUTABLE), 'EPERM')
  assert.equal(await change(64001, 'own', extended, XAPPEND), 'EPERM')
  assert.match(run('lsattr', source), /^-+e-* .*\/own$/m)
  assert.equal(await change(64001, 'own', plain, 0x80000 | NODUMP), '')
  assert.match(run('lsattr', source), /^-+d-+e-* .*\/own$/m)
  assert.equal(await change(0, 'own', plain, 0x80000 | IMMUTABLE), '')
  run('chattr', '-i', join(source, 'own'))
})

/** The same on the mount and on the source itself, which must end alike. */
async function alike(t: TestContext, act: (directory: string) => Promise<unknown>): Promise<void> {
  const place = new Workspace(t)
  const source = place.ext4(64)
  const { mountpoint: top } = await place.serve(source, { allowOther: true })
  mkdirSync(join(source, 'beneath'))
  mkdirSync(join(top, 'through'))
  const results = [await act(join(source, 'beneath')), await act(join(top, 'through'))]
  assert.deepEqual(results[1], results[0])
  const listing = (name: string) =>
    run('find', join(source, name), '-mindepth', '1', '-printf', '%P %m %U %G %y\\n')
      .split('\n')
      .sort()
      .join('\n') + run('sh', '-c', `cd ${join(source, name)} && getfacl -R -n -p .`)
  assert.equal(listing('through'), listing('beneath'))
  assert.ok(listing('beneath').length > 0)
}

/** One of each kind, under two umasks. */
async function makeAll(peer: Peer, directory: string): Promise<number[]> {
  const results: number[] = []
  for (const mask of [0o022, 0o077, 0o007]) {
    await peer.sys.umask(mask)
    const at = (name: string) => join(directory, `${name}-${mask.toString(8)}`)
    const fd = await peer.sys.open(at('file'), c.O_CREAT | c.O_WRONLY, 0o666)
    results.push(Math.min(fd, 0), await peer.sys.close(fd))
    results.push(await peer.sys.mkdir(at('directory'), 0o777))
    results.push(await peer.sys.mkfifo(at('fifo'), 0o666))
    results.push(await peer.sys.symlink('target', at('symlink')))
    const unnamed = await peer.sys.open(directory, c.O_TMPFILE | c.O_RDWR, 0o666)
    results.push(
      await peer.sys.linkat(
        c.AT_FDCWD,
        `/proc/self/fd/${unnamed}`,
        c.AT_FDCWD,
        at('tmpfile'),
        c.AT_SYMLINK_FOLLOW,
      ),
    )
    await peer.sys.close(unnamed)
  }
  return results
}

test(
  'new files get mode, owner and ACL as beneath: default ACLs, umask, setgid directories',
  needsRoot,
  (t) =>
    alike(t, async (directory) => {
      const owner = await user(t, 64001, 64101, [64100])
      const results = []
      for (const [name, prepare] of Object.entries({
        plain: () => chmodSync(join(directory, 'plain'), 0o777),
        setgid: () => {
          chownSync(join(directory, 'setgid'), 0, 64100)
          chmodSync(join(directory, 'setgid'), 0o2777)
        },
        'setgid of others': () => {
          chownSync(join(directory, 'setgid of others'), 0, 64999)
          chmodSync(join(directory, 'setgid of others'), 0o2777)
        },
        acl: () =>
          run(
            'setfacl',
            '-m',
            'o::rwx,d:u::rwx,d:g::r-x,d:o::---,d:u:64002:rwx,d:m::rwx',
            join(directory, 'acl'),
          ),
      })) {
        mkdirSync(join(directory, name))
        prepare()
        results.push(await makeAll(owner, join(directory, name)))
      }
      return results
    }),
)

test('who may write by a supplementary group alone, or by one that an ACL names', needsRoot, (t) =>
  alike(t, async (directory) => {
    const many = Array.from({ length: 40 }, (_, index) => 65000 + index)
    const member = await user(t, 64001, 64101, [...many, 64100, 64200])
    const stranger = await user(t, 64002, 64102, many)
    for (const name of ['group', 'acl', 'both']) mkdirSync(join(directory, name))
    chownSync(join(directory, 'group'), 0, 64100)
    chmodSync(join(directory, 'group'), 0o770)
    run('setfacl', '-m', 'g:64200:rwx,o::---', join(directory, 'acl'))
    chownSync(join(directory, 'both'), 0, 64100)
    chmodSync(join(directory, 'both'), 0o3770)
    const results = []
    for (const name of ['group', 'acl', 'both']) {
      results.push(await makeAll(member, join(directory, name)))
      results.push(await stranger.sys.mkdir(join(directory, name, 'stranger')))
      results.push(await member.sys.rename(join(directory, name, 'file-7'), join(directory, name, 'renamed')))
      results.push(await member.sys.unlink(join(directory, name, 'fifo-7')))
    }
    assert.ok(results.flat().includes(-c.EACCES))
    return results
  }),
)

test('uid=, gid= and umask= are what everything shows', needsRoot, async (t) => {
  const place = new Workspace(t)
  const source = place.ext4(64)
  writeFileSync(join(source, 'file'), '', { mode: 0o666 })
  mkdirSync(join(source, 'directory'), { mode: 0o777 })
  chmodSync(join(source, 'file'), 0o666)
  const { mountpoint: top } = await place.serve(source, {
    uid: 64001,
    gid: 64101,
    umask: 0o027,
    cache: 'never',
  })
  const owner = await user(t, 64001, 64101, [])
  const check = (path: string) => {
    const plain = lstatSync(path)
    const extended = posix.lstatFresh(path) as FileStatus
    for (const { uid, gid, mode } of [plain, extended])
      assert.deepEqual([uid, gid, mode & 0o027], [64001, 64101, 0], path)
  }
  for (const name of ['.', ...readdirSync(top)]) check(join(top, name))
  for (const [name, make] of Object.entries({
    made: (path: string) => posix.mkdir(path, 0o777),
    fifo: (path: string) => posix.mkfifo(path, 0o666),
    created: (path: string) => posix.close(posix.open(path, c.O_CREAT | c.O_RDWR, 0o666)),
    link: (path: string) => posix.link(join(top, 'file'), path),
  })) {
    assert.equal(make(join(top, name)), 0, name)
    check(join(top, name))
  }
  assert.equal(errnoName(posix.chown(join(top, 'file'), 1, 1)), 'EPERM')
  assert.equal(posix.chown(join(top, 'file'), 64001, 64101), 0)
  assert.equal(statSync(join(source, 'file')).uid, 0)
  assert.equal(owner.alive, true)
})

test('trusted attributes are listed for root only', needsRoot, async (t) => {
  const place = new Workspace(t)
  const source = place.ext4(64)
  writeFileSync(join(source, 'file'), '')
  const path = join(source, 'file')
  for (const name of ['user.a', 'trusted.b', 'trusted.c', 'user.long'])
    assert.equal(posix.setxattr(path, name, 'value'), 0)
  chmodSync(path, 0o666)
  const { mountpoint } = await place.serve(source, { allowOther: true })
  const peer = await user(t, 64001, 64001, [])
  const seen = join(mountpoint, 'file')
  assert.deepEqual(posix.listxattr(seen), posix.listxattr(path))
  assert.deepEqual(await peer.sys.listxattr(seen), await peer.sys.listxattr(path))
  assert.deepEqual(await peer.sys.listxattr(seen), ['user.a', 'user.long'])
  assert.equal(await peer.sys.listxattr(seen, 10), -c.ERANGE)
})

test('a device made in a set-group-ID directory has the directory’s group', needsRoot, async (t) => {
  const place = new Workspace(t)
  const source = place.ext4(64)
  for (const top of [source, (await place.serve(source, { allowOther: true })).mountpoint]) {
    const directory = join(top, top === source ? 'beneath' : 'through')
    mkdirSync(directory)
    chownSync(directory, 0, 64101)
    chmodSync(directory, 0o2777)
    // Root in another group: only it may make devices.
    const peer = await user(t, 0, 64001, [])
    assert.equal(await peer.sys.mknod(join(directory, 'device'), c.S_IFCHR | 0o600, 1, 3), 0)
    assert.equal(lstatSync(join(directory, 'device')).gid, 64101)
  }
})

test('whoever uid= and gid= show as the owner may make files, and nobody else', needsRoot, async (t) => {
  const place = new Workspace(t)
  const source = place.ext4(64)
  mkdirSync(join(source, 'directory'), { mode: 0o755 })
  mkdirSync(join(source, 'group'))
  chmodSync(join(source, 'group'), 0o575)
  const { mountpoint: top } = await place.serve(source, { allowOther: true, uid: 64001, gid: 64101 })
  const owner = await user(t, 64001, 64002, [])
  const member = await user(t, 64003, 64101, [])
  const other = await user(t, 64003, 64003, [])
  const makeIn = async (peer: Peer, directory: string) => {
    const at = (name: string) => join(top, directory, `${name}-${peer.pid}`)
    const fds = [
      await peer.sys.open(at('file'), c.O_CREAT | c.O_WRONLY, 0o644),
      await peer.sys.open(join(top, directory), c.O_TMPFILE | c.O_RDWR, 0o600),
    ]
    const others = [
      await peer.sys.mkdir(at('directory'), 0o755),
      await peer.sys.mkfifo(at('fifo'), 0o644),
      await peer.sys.symlink('target', at('symlink')),
    ]
    return [...fds.map((fd) => Math.min(fd, 0)), ...others].map((result) =>
      result < 0 ? errnoName(result) : '',
    )
  }
  const [all, none] = [new Array(5).fill(''), new Array(5).fill('EACCES')]
  assert.deepEqual(await makeIn(owner, 'directory'), all)
  assert.deepEqual(await makeIn(member, 'directory'), none)
  assert.deepEqual(await makeIn(member, 'group'), all)
  assert.deepEqual(await makeIn(other, 'group'), none)
  for (const name of readdirSync(join(source, 'directory'))) {
    assert.deepEqual(
      [lstatSync(join(source, 'directory', name)).uid, lstatSync(join(top, 'directory', name)).uid],
      [0, 64001],
    )
  }
})

for (const cache of ['never', 'auto'] as const)
  test(`statx tells the time of birth of the source, cache=${cache}`, needsRoot, async (t) => {
    const place = new Workspace(t)
    const source = place.ext4(64)
    const { mountpoint: top } = await place.serve(source, { cache })
    writeFileSync(join(top, 'file'), '')
    mkdirSync(join(top, 'directory'))
    posix.symlink('x', join(top, 'symlink'))
    for (const name of ['.', 'file', 'directory', 'symlink']) {
      const [through, beneath] = [top, source].map((one) => posix.lstatFresh(join(one, name)) as FileStatus)
      assert.ok(beneath.btime !== null && beneath.btime > 0n)
      assert.equal(through.btime, beneath.btime, name)
      assert.deepEqual(
        [through.ino, through.mtime, through.ctime],
        [beneath.ino, beneath.mtime, beneath.ctime],
      )
    }
    assert.ok(existsSync(join(top, 'file')))
  })
