import { deepEqual, equal } from 'node:assert/strict'
import { create, directory, fails, ok, outcome, permissions, status } from '../assertions.js'
import type { ConformanceCase } from '../case.js'
import { constants as c } from '../native.js'
import * as posix from '../posix.js'
import { owned } from './owned.js'

export const cases: ConformanceCase[] = (
  [
    {
      name: 'what is made belongs to its maker: user and group, for every kind',
      async run(t) {
        directory(t.path('d'), 0o777)
        const { uid, gid } = t.users.member
        const { sys } = await t.as(t.users.member)
        ok(await sys.close(ok(await sys.open(t.path('d/file'), c.O_CREAT | c.O_WRONLY, 0o644))))
        ok(await sys.mkdir(t.path('d/directory')))
        ok(await sys.symlink('x', t.path('d/symlink')))
        ok(await sys.mkfifo(t.path('d/fifo')))
        ok(await sys.mknod(t.path('d/socket'), c.S_IFSOCK | 0o600))
        for (const name of ['file', 'directory', 'symlink', 'fifo', 'socket']) {
          const made = status(t.path(`d/${name}`))
          deepEqual([made.uid, made.gid], [uid, gid], name)
        }
      },
    },
    {
      name: 'in a setgid directory everything takes its group, directories the bit as well, and S_ISGID is stripped from non-members’ files',
      async run(t) {
        directory(t.path('d'))
        ok(posix.chown(t.path('d'), 0, t.users.group))
        ok(posix.chmod(t.path('d'), 0o2777))
        for (const [user, kept] of [
          [t.users.member, true],
          [t.users.other, false],
        ] as const) {
          const { sys } = await t.as(user)
          const name = (kind: string) => t.path(`d/${kind}-${user.uid}`)
          await sys.umask(0)
          ok(await sys.close(ok(await sys.open(name('file'), c.O_CREAT | c.O_WRONLY, 0o2775))))
          ok(await sys.mkdir(name('directory'), 0o775))
          ok(await sys.mkfifo(name('fifo')))
          ok(await sys.symlink('x', name('symlink')))
          for (const kind of ['file', 'directory', 'fifo', 'symlink']) {
            equal(status(name(kind)).gid, t.users.group, `${kind} by ${user.uid}`)
          }
          equal(permissions(name('directory')), 0o2775)
          equal(permissions(name('file')), kept ? 0o2775 : 0o775, `S_ISGID for ${user.uid}`)
        }
      },
    },
    {
      name: 'only the owner changes the mode, and loses S_ISGID on a group that is not his',
      async run(t) {
        const path = owned(t, 'f', 0o666)
        const [owner, member] = [await t.as(t.users.owner), await t.as(t.users.member)]
        fails(await member.sys.chmod(path, 0o600), 'EPERM')
        const fd = ok(await member.sys.open(path, c.O_RDWR))
        fails(await member.sys.fchmod(fd, 0o600), 'EPERM')
        ok(await member.sys.close(fd))
        ok(await owner.sys.chmod(path, 0o6755))
        equal(permissions(path), 0o6755)
        ok(posix.chown(path, t.users.owner.uid, t.users.other.gid))
        ok(await owner.sys.chmod(path, 0o6755))
        equal(permissions(path), 0o4755)
        ok(posix.chmod(path, 0o7777))
        equal(permissions(path), 0o7777)
      },
    },
    {
      name: 'the owner gives a file to groups he is in only, and to no other user; others give nothing',
      async run(t) {
        const path = owned(t, 'f', 0o644)
        const { owner, member, other, group } = t.users
        const { sys } = await t.as(owner)
        ok(await sys.chown(path, -1, owner.gid))
        equal(status(path).gid, owner.gid)
        ok(await sys.chown(path, owner.uid, group))
        equal(status(path).gid, group)
        fails(await sys.chown(path, -1, other.gid), 'EPERM')
        fails(await sys.chown(path, other.uid, -1), 'EPERM')
        ok(await sys.chown(path, -1, -1))
        fails(await (await t.as(member)).sys.chown(path, -1, group), 'EPERM')
        fails(await (await t.as(other)).sys.chown(path, other.uid, other.gid), 'EPERM')
        ok(posix.chown(path, other.uid, other.gid))
        deepEqual([status(path).uid, status(path).gid], [other.uid, other.gid])
        ok(posix.symlink('f', t.path('link')))
        ok(posix.lchown(t.path('link'), member.uid, member.gid))
        equal(status(t.path('link')).uid, member.uid)
        equal(status(path).uid, other.uid)
      },
    },
    {
      name: 'a change of owner clears set-user-ID and set-group-ID, as on the reference',
      async run(t) {
        await t.compare(async (base) => {
          const results: number[] = []
          const { sys } = await t.as(t.users.owner)
          for (const mode of [0o6755, 0o6745, 0o6644, 0o2745]) {
            for (const by of ['root', 'owner']) {
              const path = `${base}/${mode.toString(8)}-${by}`
              create(path)
              ok(posix.chown(path, t.users.owner.uid, t.users.group))
              ok(posix.chmod(path, mode))
              ok(
                by === 'root'
                  ? posix.chown(path, -1, t.users.owner.gid)
                  : await sys.chown(path, -1, t.users.owner.gid),
              )
              results.push(permissions(path))
            }
          }
          return results
        })
      },
    },
    {
      name: 'a write, a truncation and an fallocate by another user clear set-user-ID and set-group-ID, as on the reference',
      async run(t) {
        const results = await t.compare(async (base) => {
          const { sys } = await t.as(t.users.other)
          const modes: [string, string, string][] = []
          for (const mode of [0o6777, 0o6767, 0o2766]) {
            for (const change of [
              'write',
              'truncate',
              'ftruncate',
              'O_TRUNC',
              'fallocate',
              'copy',
              'append',
            ] as const) {
              const path = `${base}/${mode.toString(8)}-${change}`
              create(path, 'content')
              ok(posix.chown(path, t.users.owner.uid, t.users.group))
              ok(posix.chmod(path, mode))
              const flags = { O_TRUNC: c.O_TRUNC, append: c.O_APPEND }[change as string] ?? 0
              const fd = ok(await sys.open(path, c.O_RDWR | flags))
              const result = await {
                write: () => sys.pwrite(fd, 'x', 0),
                append: () => sys.write(fd, 'x'),
                truncate: () => sys.truncate(path, 3),
                ftruncate: () => sys.ftruncate(fd, 3),
                fallocate: () => sys.fallocate(fd, 0, 0, 10_000),
                copy: () => sys.copyFileRange(fd, 0, fd, 100, 3),
                O_TRUNC: async () => 0,
              }[change]()
              await sys.close(fd)
              modes.push([path.slice(base.length + 1), outcome(result), permissions(path).toString(8)])
            }
          }
          return modes
        })
        equal(results[0][2], '777')
      },
    },
    {
      name: 'a write by the superuser keeps them',
      run(t) {
        const path = owned(t, 'f', 0o6755)
        const fd = ok(posix.open(path, c.O_WRONLY))
        ok(posix.write(fd, 'x'))
        ok(posix.close(fd))
        equal(permissions(path), 0o6755)
      },
    },
  ] satisfies ConformanceCase[]
).map((one): ConformanceCase => ({ ...one, requires: ['users'] }))
