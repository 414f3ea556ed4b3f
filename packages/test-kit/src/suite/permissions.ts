import { deepEqual, equal } from 'node:assert/strict'
import { create, directory, fails, ok, outcome, status } from '../assertions.js'
import type { CaseContext, ConformanceCase } from '../case.js'
import { constants as c } from '../native.js'
import type { Peer } from '../peer.js'
import * as posix from '../posix.js'
import { owned } from './owned.js'

// Each class of user with the bits that apply to it. The owner is not in the group's class even when the group has more.
async function classes(t: CaseContext): Promise<[string, Peer, number][]> {
  return [
    ['owner', await t.as(t.users.owner), 6],
    ['member of the group', await t.as(t.users.member), 3],
    ['other', await t.as(t.users.other), 0],
  ]
}

const allowedBits = (mode: number, shift: number) => (mode >> shift) & 7

const fileModes = [
  0o000, 0o400, 0o200, 0o100, 0o040, 0o020, 0o010, 0o004, 0o002, 0o001, 0o077, 0o707, 0o644, 0o750, 0o177,
]

export const cases: ConformanceCase[] = (
  [
    {
      name: 'files: each mode gives each class of user exactly its bits to open, truncate and ask about',
      async run(t) {
        for (const mode of fileModes) {
          const path = owned(t, `f${mode.toString(8)}`, mode)
          for (const [who, { sys }, shift] of await classes(t)) {
            const bits = allowedBits(mode, shift)
            const said = `${who}, mode ${mode.toString(8)}`
            for (const [flags, needed] of [
              [c.O_RDONLY, 4],
              [c.O_WRONLY, 2],
              [c.O_RDWR, 6],
              [c.O_WRONLY | c.O_APPEND, 2],
            ]) {
              const fd = await sys.open(path, flags)
              if (fd >= 0) await sys.close(fd)
              equal(
                outcome(fd),
                (bits & needed) === needed ? 'ok' : 'EACCES',
                `open for ${needed} by ${said}`,
              )
            }
            equal(outcome(await sys.truncate(path, 7)), bits & 2 ? 'ok' : 'EACCES', `truncate by ${said}`)
            for (const needed of [4, 2, 1]) {
              equal(
                outcome(await sys.access(path, needed)),
                bits & needed ? 'ok' : 'EACCES',
                `access ${needed} by ${said}`,
              )
            }
          }
        }
      },
    },
    {
      name: 'directories: each mode gives each class exactly listing, search, and making and removing names',
      async run(t) {
        for (const mode of fileModes) {
          const path = owned(t, `d${mode.toString(8)}`, mode, 'directory')
          create(`${path}/inside`, 'x')
          for (const [who, { sys }, shift] of await classes(t)) {
            const bits = allowedBits(mode, shift)
            const said = `${who}, mode ${mode.toString(8)}`
            const verdict = (needed: number) => ((bits & needed) === needed ? 'ok' : 'EACCES')
            equal(outcome(await sys.list(path)), verdict(4), `list by ${said}`)
            equal(outcome(await sys.lstat(`${path}/inside`)), verdict(1), `stat inside by ${said}`)
            equal(outcome(await sys.chdir(path)), verdict(1), `chdir by ${said}`)
            await sys.chdir('/')
            for (const [call, made] of [
              ['mkdir', await sys.mkdir(`${path}/new`)],
              ['rmdir', bits & 2 && bits & 1 ? await sys.rmdir(`${path}/new`) : -c.EACCES],
              ['symlink', await sys.symlink('x', `${path}/l`)],
              ['rename', bits & 2 && bits & 1 ? await sys.rename(`${path}/l`, `${path}/m`) : -c.EACCES],
              ['unlink', bits & 2 && bits & 1 ? await sys.unlink(`${path}/m`) : -c.EACCES],
              ['mkfifo', await sys.mkfifo(`${path}/p-${who}`)],
            ] as const) {
              equal(outcome(made), verdict(3), `${call} by ${said}`)
            }
            const refused = await sys.unlink(`${path}/inside`)
            equal(outcome(refused), verdict(3), `unlink by ${said}`)
            if (refused === 0) create(`${path}/inside`, 'x')
          }
        }
      },
    },
    {
      name: 'search permission is needed on every directory of the path',
      async run(t) {
        owned(t, 'a', 0o700, 'directory')
        directory(t.path('a/b'), 0o777)
        create(t.path('a/b/f'), '', 0o666)
        const { sys } = await t.as(t.users.other)
        for (const result of [
          await sys.open(t.path('a/b/f'), c.O_RDONLY),
          await sys.lstat(t.path('a/b/f')),
          await sys.mkdir(t.path('a/b/d')),
          await sys.chmod(t.path('a/b/f'), 0),
          await sys.rename(t.path('a/b/f'), t.path('g')),
          await sys.lstat(t.path('a/b/missing')),
        ]) {
          fails(result, 'EACCES')
        }
        ok(posix.chmod(t.path('a'), 0o711))
        ok(await sys.lstat(t.path('a/b/f')))
      },
    },
    {
      name: 'in a sticky directory only the owner of file or directory removes and renames',
      async run(t) {
        directory(t.path('d'))
        ok(posix.chown(t.path('d'), t.users.member.uid, t.users.group))
        ok(posix.chmod(t.path('d'), 0o1777))
        const [owner, member, other] = [
          await t.as(t.users.owner),
          await t.as(t.users.member),
          await t.as(t.users.other),
        ]
        const make = () => {
          for (const name of ['f', 'g']) {
            create(t.path(`d/${name}`), '', 0o666)
            ok(posix.chown(t.path(`d/${name}`), t.users.owner.uid, t.users.group))
          }
        }
        make()
        fails(await other.sys.unlink(t.path('d/f')), 'EPERM')
        fails(await other.sys.rename(t.path('d/f'), t.path('d/h')), 'EPERM')
        ok(await other.sys.close(ok(await other.sys.open(t.path('d/mine'), c.O_CREAT | c.O_WRONLY, 0o644))))
        fails(await other.sys.rename(t.path('d/mine'), t.path('d/f')), 'EPERM')
        ok(await owner.sys.rename(t.path('d/f'), t.path('d/h')))
        ok(await owner.sys.unlink(t.path('d/h')))
        ok(await member.sys.unlink(t.path('d/g')))
        make()
        ok(await member.sys.rename(t.path('d/f'), t.path('d/g')))
        directory(t.path('d/sub'), 0o777)
        fails(await other.sys.rmdir(t.path('d/sub')), 'EPERM')
      },
    },
    {
      name: 'times: the owner sets any, who may write sets now only, others nothing',
      async run(t) {
        const path = owned(t, 'f', 0o660)
        const [owner, member, other] = [
          await t.as(t.users.owner),
          await t.as(t.users.member),
          await t.as(t.users.other),
        ]
        ok(await owner.sys.utimens(path, 1n, 2n))
        deepEqual([status(path).atime, status(path).mtime], [1n, 2n])
        ok(await member.sys.utimensNull(path))
        ok(await member.sys.utimens(path, 'now', 'now'))
        fails(await member.sys.utimens(path, 1n, 2n), 'EPERM')
        fails(await member.sys.utimens(path, 'now', 'omit'), 'EPERM')
        fails(await other.sys.utimensNull(path), 'EACCES')
        fails(await other.sys.utimens(path, 1n, 2n), 'EPERM')
        equal(await other.sys.utimens(path, 'omit', 'omit'), 0, 'changing nothing is allowed')
      },
    },
    {
      name: 'O_NOATIME is for the owner',
      async run(t) {
        const path = owned(t, 'f', 0o644)
        fails(await (await t.as(t.users.other)).sys.open(path, c.O_RDONLY | c.O_NOATIME), 'EPERM')
        const { sys } = await t.as(t.users.owner)
        ok(await sys.close(ok(await sys.open(path, c.O_RDONLY | c.O_NOATIME))))
      },
    },
    {
      name: 'permission is decided at open: a later chmod does not take a descriptor back',
      async run(t) {
        const path = owned(t, 'f', 0o666)
        const { sys } = await t.as(t.users.other)
        const fd = ok(await sys.open(path, c.O_RDWR))
        ok(posix.chmod(path, 0))
        ok(await sys.pwrite(fd, 'still', 0))
        equal(ok(await sys.pread(fd, 5, 0)).toString(), 'still')
        ok(await sys.ftruncate(fd, 2))
        fails(await sys.open(path, c.O_RDONLY), 'EACCES')
      },
    },
    {
      name: 'a change of mode or group by one process counts for the next call of another',
      async run(t) {
        const path = owned(t, 'f', 0o600)
        const { sys } = await t.as(t.users.other)
        for (let i = 0; i < 5; i++) {
          fails(await sys.open(path, c.O_RDONLY), 'EACCES')
          ok(posix.chmod(path, 0o604))
          ok(await sys.close(ok(await sys.open(path, c.O_RDONLY))))
          ok(posix.chmod(path, 0o640))
          fails(await sys.open(path, c.O_RDONLY), 'EACCES')
          ok(posix.chown(path, -1, t.users.other.gid))
          ok(await sys.close(ok(await sys.open(path, c.O_RDONLY))))
          ok(posix.chown(path, -1, t.users.group))
          ok(posix.chmod(path, 0o600))
        }
      },
    },
    {
      name: 'a directory moves to another parent only by who may write it, as its .. changes',
      async run(t) {
        directory(t.path('from'), 0o777)
        directory(t.path('to'), 0o777)
        directory(t.path('from/d'), 0o755)
        const { sys } = await t.as(t.users.other)
        fails(await sys.rename(t.path('from/d'), t.path('to/d')), 'EACCES')
        ok(await sys.rename(t.path('from/d'), t.path('from/e')))
        ok(posix.chmod(t.path('from/e'), 0o777))
        ok(await sys.rename(t.path('from/e'), t.path('to/d')))
      },
    },
    {
      name: 'hard links to others’ files, and open of others’ files in sticky directories, as on the reference',
      async run(t) {
        await t.compare(async (base) => {
          directory(`${base}/d`)
          ok(posix.chmod(`${base}/d`, 0o1777))
          create(`${base}/d/f`, '', 0o600)
          create(`${base}/d/g`, '', 0o666)
          const { sys } = await t.as(t.users.other)
          const opened = await sys.open(`${base}/d/g`, c.O_CREAT | c.O_WRONLY, 0o644)
          if (opened >= 0) await sys.close(opened)
          return [
            await sys.link(`${base}/d/f`, `${base}/d/linked`),
            await sys.link(`${base}/d/g`, `${base}/d/linked2`),
            opened,
          ].map(outcome)
        })
      },
    },
    {
      name: 'the superuser reads, writes and searches all, but executes only what someone may',
      run(t) {
        const path = owned(t, 'f', 0)
        ok(posix.close(ok(posix.open(path, c.O_RDWR))))
        fails(posix.access(path, c.X_OK), 'EACCES')
        const folder = owned(t, 'd', 0, 'directory')
        create(`${folder}/f`)
        deepEqual(posix.list(folder), ['f'])
        equal(posix.access(folder, c.X_OK), 0)
      },
    },
  ] satisfies ConformanceCase[]
).map((one): ConformanceCase => ({ ...one, requires: ['users'] }))
