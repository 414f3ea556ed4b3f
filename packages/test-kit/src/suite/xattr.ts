import { deepEqual, equal } from 'node:assert/strict'
import { create, directory, fails, ok, outcome, pattern, status, tick, withFile } from '../assertions.js'
import type { ConformanceCase } from '../case.js'
import { constants as c } from '../native.js'
import * as posix from '../posix.js'

const userNames = (names: string[] | number) =>
  ok(names as string[]).filter((name) => name.startsWith('user.'))

const all: ConformanceCase[] = [
  {
    name: 'a value is set, read, replaced, listed and removed, by path and by descriptor',
    run(t) {
      create(t.path('f'))
      ok(posix.setxattr(t.path('f'), 'user.one', 'first'))
      ok(posix.setxattr(t.path('f'), 'user.two', ''))
      equal(ok(posix.getxattr(t.path('f'), 'user.one')).toString(), 'first')
      equal(ok(posix.getxattr(t.path('f'), 'user.two')).length, 0)
      return withFile(t.path('f'), c.O_RDWR, (fd) => {
        ok(posix.fsetxattr(fd, 'user.one', 'a longer value than before'))
        equal(ok(posix.fgetxattr(fd, 'user.one')).toString(), 'a longer value than before')
        deepEqual(userNames(posix.flistxattr(fd)), ['user.one', 'user.two'])
        deepEqual(userNames(posix.listxattr(t.path('f'))), ['user.one', 'user.two'])
        ok(posix.fremovexattr(fd, 'user.two'))
        ok(posix.removexattr(t.path('f'), 'user.one'))
        deepEqual(userNames(posix.listxattr(t.path('f'))), [])
      })
    },
  },
  {
    name: 'CREATE refuses an existing name, REPLACE a missing one, and unknown flags are EINVAL',
    run(t) {
      create(t.path('f'))
      const path = t.path('f')
      fails(posix.setxattr(path, 'user.k', 'v', c.XATTR_REPLACE), 'ENODATA')
      ok(posix.setxattr(path, 'user.k', 'v', c.XATTR_CREATE))
      fails(posix.setxattr(path, 'user.k', 'w', c.XATTR_CREATE), 'EEXIST')
      ok(posix.setxattr(path, 'user.k', 'x', c.XATTR_REPLACE))
      equal(ok(posix.getxattr(path, 'user.k')).toString(), 'x')
      fails(posix.setxattr(path, 'user.k', 'x', 8), 'EINVAL')
    },
  },
  {
    name: 'a missing attribute is ENODATA, a missing file ENOENT',
    run(t) {
      create(t.path('f'))
      fails(posix.getxattr(t.path('f'), 'user.none'), 'ENODATA')
      fails(posix.removexattr(t.path('f'), 'user.none'), 'ENODATA')
      fails(posix.xattrSize(t.path('f'), 'user.none') as number, 'ENODATA')
      fails(posix.getxattr(t.path('missing'), 'user.k'), 'ENOENT')
      fails(posix.listxattr(t.path('missing')), 'ENOENT')
      fails(posix.getxattr(t.path('f/x'), 'user.k'), 'ENOTDIR')
    },
  },
  {
    name: 'size 0 asks for the size, and a buffer too small is ERANGE, for values and for lists',
    run(t) {
      create(t.path('f'))
      ok(posix.setxattr(t.path('f'), 'user.name', 'value'))
      equal(posix.xattrSize(t.path('f'), 'user.name'), 5)
      fails(posix.getxattr(t.path('f'), 'user.name', 4), 'ERANGE')
      equal(ok(posix.getxattr(t.path('f'), 'user.name', 5)).toString(), 'value')
      const size = posix.xattrSize(t.path('f'), null)
      equal(size >= 'user.name\0'.length, true)
      fails(posix.listxattr(t.path('f'), size - 1), 'ERANGE')
      deepEqual(userNames(posix.listxattr(t.path('f'), size)), ['user.name'])
    },
  },
  {
    name: 'values are bytes: NULs, high bytes, 3000 of them',
    run(t) {
      create(t.path('f'))
      const value = Buffer.concat([Buffer.from([0, 255, 0, 128]), pattern(2996)])
      ok(posix.setxattr(t.path('f'), 'user.bytes', value))
      deepEqual(ok(posix.getxattr(t.path('f'), 'user.bytes')), value)
    },
  },
  {
    name: 'names of 255 bytes are accepted and longer ones are ERANGE',
    run(t) {
      create(t.path('f'))
      const longest = `user.${'n'.repeat(250)}`
      ok(posix.setxattr(t.path('f'), longest, 'v'))
      deepEqual(userNames(posix.listxattr(t.path('f'))), [longest])
      fails(posix.setxattr(t.path('f'), `${longest}x`, 'v'), 'ERANGE')
      fails(posix.setxattr(t.path('f'), '', 'v'), 'ERANGE', 'EINVAL', 'EOPNOTSUPP')
    },
  },
  {
    name: 'names are bytes, and differ by case',
    run(t) {
      create(t.path('f'))
      const name = Buffer.concat([Buffer.from('user.'), Buffer.from([0xff, 0xfe, 10, 32])])
      ok(posix.setxattr(t.path('f'), name, 'v'))
      ok(posix.setxattr(t.path('f'), 'user.a', 'small'))
      ok(posix.setxattr(t.path('f'), 'user.A', 'capital'))
      deepEqual(userNames(posix.listxattr(t.path('f'))), ['user.A', 'user.a', name.toString('latin1')].sort())
      equal(ok(posix.getxattr(t.path('f'), 'user.A')).toString(), 'capital')
    },
  },
  {
    name: 'the largest sizes have the outcome of the reference',
    async run(t) {
      await t.compare((base) => {
        create(`${base}/f`)
        return [1000, 3900, 4096, 65_536, 65_537].map((size) => {
          const result = outcome(posix.setxattr(`${base}/f`, 'user.big', pattern(size)))
          const value = posix.getxattr(`${base}/f`, 'user.big')
          posix.removexattr(`${base}/f`, 'user.big')
          return [size, result, value]
        })
      })
    },
  },
  {
    name: 'many attributes on one file have the outcome of the reference, and all are listed',
    async run(t) {
      await t.compare((base) => {
        create(`${base}/f`)
        const results = Array.from({ length: 60 }, (_, index) =>
          outcome(posix.setxattr(`${base}/f`, `user.attribute-${index}`, pattern(20, index + 1))),
        )
        return [results, userNames(posix.listxattr(`${base}/f`))]
      })
    },
  },
  {
    name: 'directories have them as well',
    run(t) {
      directory(t.path('d'))
      ok(posix.setxattr(t.path('d'), 'user.k', 'of a directory'))
      equal(ok(posix.getxattr(t.path('d'), 'user.k')).toString(), 'of a directory')
      deepEqual(userNames(posix.listxattr(t.path('d'))), ['user.k'])
    },
  },
  {
    name: 'symlinks: followed without l, and with l the user namespace is EPERM',
    run(t) {
      create(t.path('f'))
      ok(posix.symlink('f', t.path('link')))
      ok(posix.setxattr(t.path('link'), 'user.k', 'v'))
      equal(ok(posix.getxattr(t.path('f'), 'user.k')).toString(), 'v')
      fails(posix.lsetxattr(t.path('link'), 'user.k', 'v'), 'EPERM')
      fails(posix.lgetxattr(t.path('link'), 'user.k'), 'ENODATA', 'EPERM')
      deepEqual(userNames(posix.llistxattr(t.path('link'))), [])
    },
  },
  {
    name: 'special files refuse the user namespace as the reference does',
    async run(t) {
      const results = await t.compare((base) => {
        ok(posix.mkfifo(`${base}/fifo`))
        ok(posix.mknod(`${base}/socket`, c.S_IFSOCK | 0o600))
        return ['fifo', 'socket'].flatMap((name) =>
          [posix.setxattr(`${base}/${name}`, 'user.k', 'v'), posix.getxattr(`${base}/${name}`, 'user.k')].map(
            outcome,
          ),
        )
      })
      equal(results[0], 'EPERM')
    },
  },
  {
    name: 'trusted attributes are the superuser’s, unknown namespaces nobody’s',
    requires: ['users'],
    async run(t) {
      create(t.path('f'), '', 0o666)
      fails(posix.setxattr(t.path('f'), 'nonsense.k', 'v'), 'EOPNOTSUPP')
      fails(posix.setxattr(t.path('f'), 'plain', 'v'), 'EOPNOTSUPP')
      const other = await t.as(t.users.other)
      fails(await other.sys.setxattr(t.path('f'), 'trusted.k', 'v'), 'EPERM')
      await t.compare((base) => {
        if (base !== t.directory) create(`${base}/f`)
        return [
          outcome(posix.setxattr(`${base}/f`, 'trusted.k', 'v')),
          outcome(posix.getxattr(`${base}/f`, 'trusted.k')),
        ]
      })
      fails(await other.sys.getxattr(t.path('f'), 'trusted.k'), 'ENODATA', 'EPERM')
    },
  },
  {
    name: 'setting needs write permission and reading read permission',
    requires: ['users'],
    async run(t) {
      create(t.path('readable'), '', 0o644)
      create(t.path('secret'), '', 0o600)
      for (const name of ['readable', 'secret']) ok(posix.setxattr(t.path(name), 'user.k', 'v'))
      const { sys } = await t.as(t.users.other)
      equal(ok(await sys.getxattr(t.path('readable'), 'user.k')).toString(), 'v')
      fails(await sys.setxattr(t.path('readable'), 'user.k', 'w'), 'EACCES')
      fails(await sys.removexattr(t.path('readable'), 'user.k'), 'EACCES')
      fails(await sys.getxattr(t.path('secret'), 'user.k'), 'EACCES')
      deepEqual(userNames(await sys.listxattr(t.path('secret'))), ['user.k'])
    },
  },
  {
    name: 'a sticky directory takes attributes from its owner only',
    requires: ['users'],
    async run(t) {
      directory(t.path('d'), 0o1777)
      fails(await (await t.as(t.users.other)).sys.setxattr(t.path('d'), 'user.k', 'v'), 'EPERM')
    },
  },
  {
    name: 'setting and removing change ctime, not mtime',
    async run(t) {
      create(t.path('f'))
      let before = status(t.path('f'))
      for (const change of [
        () => posix.setxattr(t.path('f'), 'user.k', 'v'),
        () => posix.removexattr(t.path('f'), 'user.k'),
      ]) {
        await tick()
        ok(change())
        const after = status(t.path('f'))
        equal(after.ctime > before.ctime, true)
        equal(after.mtime, before.mtime)
        before = after
      }
    },
  },
  {
    name: 'they stay with the file through rename, link and another process’s eyes',
    async run(t) {
      create(t.path('a'))
      ok(posix.setxattr(t.path('a'), 'user.k', 'v'))
      ok(posix.link(t.path('a'), t.path('b')))
      ok(posix.rename(t.path('a'), t.path('c')))
      const other = await t.process()
      for (const name of ['b', 'c'])
        equal(ok(await other.sys.getxattr(t.path(name), 'user.k')).toString(), 'v')
      ok(await other.sys.setxattr(t.path('b'), 'user.k', 'changed'))
      equal(ok(posix.getxattr(t.path('c'), 'user.k')).toString(), 'changed')
    },
  },
  {
    name: 'setting security.capability is for the superuser, and a write drops it',
    requires: ['root'],
    async run(t) {
      // Version 2, effective, CAP_NET_RAW permitted.
      const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex')
      await t.compare((base) => {
        create(`${base}/f`, 'program', 0o755)
        const set = outcome(posix.setxattr(`${base}/f`, 'security.capability', capability))
        const there = outcome(posix.getxattr(`${base}/f`, 'security.capability'))
        return withFile(`${base}/f`, c.O_WRONLY, (fd) => {
          ok(posix.write(fd, 'changed'))
          return [set, there, outcome(posix.getxattr(`${base}/f`, 'security.capability'))]
        })
      })
    },
  },
]

export const cases = all.map(
  (one): ConformanceCase => ({ ...one, requires: ['xattr', ...(one.requires ?? [])] }),
)
