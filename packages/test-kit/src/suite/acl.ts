import { deepEqual, equal } from 'node:assert/strict'
import { create, directory, fails, ok, outcome, permissions, status, tick, withFile } from '../assertions.js'
import type { CaseContext, ConformanceCase } from '../case.js'
import { constants as c } from '../native.js'
import type { User } from '../peer.js'
import * as posix from '../posix.js'
import { acl, aclText } from '../posix-acl.js'

const access = 'system.posix_acl_access'
const defaults = 'system.posix_acl_default'

const set = (path: string, name: string, text: string) => ok(posix.setxattr(path, name, acl(text)))
const get = (path: string, name: string) => aclText(ok(posix.getxattr(path, name)))

// What a user may do with a file or directory, tried and not asked: 'rw-' and such.
async function rights(t: CaseContext, user: User, path: string): Promise<string> {
  const { sys } = await t.as(user)
  let answer = ''
  for (const [letter, bit, flags] of [
    ['r', c.R_OK, c.O_RDONLY],
    ['w', c.W_OK, c.O_WRONLY],
    ['x', c.X_OK, -1],
  ] as const) {
    const asked = (await sys.access(path, bit)) === 0
    if (flags >= 0 && (status(path).mode & c.S_IFMT) === c.S_IFREG) {
      const fd = await sys.open(path, flags)
      equal(fd >= 0, asked, `access and open agree on ${letter} for ${user.uid}`)
      if (fd >= 0) await sys.close(fd)
    }
    answer += asked ? letter : '-'
  }
  return answer
}

// A file of users.owner and users.group.
function owned(t: CaseContext, name: string, mode: number): string {
  create(t.path(name), 'content', mode)
  ok(posix.chown(t.path(name), t.users.owner.uid, t.users.group))
  ok(posix.chmod(t.path(name), mode))
  return t.path(name)
}

const withAcl: ConformanceCase[] = [
  {
    name: 'an access ACL is set, read back and removed, and a minimal one is only the mode',
    run(t) {
      const path = t.path('f')
      create(path, 'content', 0o640)
      fails(posix.getxattr(path, access), 'ENODATA')
      const text = `u::rw-,u:${t.users.other.uid}:r--,g::r--,m::r--,o::---`
      set(path, access, text)
      equal(get(path, access), text)
      equal(ok(posix.listxattr(path)).includes(access), true)
      ok(posix.removexattr(path, access))
      fails(posix.getxattr(path, access), 'ENODATA')
      set(path, access, 'u::rwx,g::r-x,o::--x')
      fails(posix.getxattr(path, access), 'ENODATA')
      equal(permissions(path), 0o751)
    },
  },
  {
    name: 'the entry of a named user decides for that user and nobody else',
    requires: ['users'],
    async run(t) {
      const path = owned(t, 'f', 0o600)
      equal(await rights(t, t.users.other, path), '---')
      set(path, access, `u::rw-,u:${t.users.other.uid}:rw-,g::---,m::rw-,o::r--`)
      equal(await rights(t, t.users.other, path), 'rw-')
      equal(await rights(t, t.users.owner, path), 'rw-')
      equal(await rights(t, t.users.member, path), '---', 'the group class, not others')
      set(path, access, `u::rw-,u:${t.users.other.uid}:---,g::---,m::rw-,o::rw-`)
      equal(await rights(t, t.users.other, path), '---', 'a named entry takes away')
    },
  },
  {
    name: 'the entries of groups decide for members, also by a supplementary group',
    requires: ['users'],
    async run(t) {
      const path = owned(t, 'f', 0o600)
      set(path, access, `u::rw-,g::---,g:${t.users.other.gid}:rw-,m::rwx,o::---`)
      equal(await rights(t, t.users.other, path), 'rw-')
      equal(await rights(t, t.users.member, path), '---')
      ok(posix.chown(path, t.users.owner.uid, 0))
      set(path, access, `u::rw-,g::---,g:${t.users.group}:r-x,m::rwx,o::-w-`)
      equal(await rights(t, t.users.member, path), 'r-x')
      equal(await rights(t, t.users.other, path), '-w-')
    },
  },
  {
    name: 'the mask limits named users and all groups, not the owner and not others',
    requires: ['users'],
    async run(t) {
      const path = owned(t, 'f', 0o600)
      set(path, access, `u::rwx,u:${t.users.other.uid}:rwx,g::rwx,m::r--,o::rwx`)
      equal(await rights(t, t.users.other, path), 'r--')
      equal(await rights(t, t.users.member, path), 'r--')
      equal(await rights(t, t.users.owner, path), 'rwx')
    },
  },
  {
    name: 'chmod sets the mask where there is one, and the mode shows it as the group’s bits',
    requires: ['users'],
    async run(t) {
      const path = owned(t, 'f', 0o600)
      set(path, access, `u::rw-,u:${t.users.other.uid}:rw-,g::r--,m::rw-,o::---`)
      equal(permissions(path), 0o660)
      ok(posix.chmod(path, 0o640))
      equal(get(path, access), `u::rw-,u:${t.users.other.uid}:rw-,g::r--,m::r--,o::---`)
      equal(await rights(t, t.users.other, path), 'r--')
      ok(posix.chmod(path, 0o600))
      equal(await rights(t, t.users.other, path), '---')
      equal(await rights(t, t.users.member, path), '---')
      await withFile(path, c.O_RDWR, (fd) => ok(posix.fchmod(fd, 0o664)))
      equal(await rights(t, t.users.other, path), 'rw-')
    },
  },
  {
    name: 'a default ACL is inherited: by files as access ACL, by directories as both',
    requires: ['users'],
    async run(t) {
      directory(t.path('d'), 0o755)
      const text = `u::rwx,u:${t.users.other.uid}:rwx,g::r-x,m::rwx,o::---`
      set(t.path('d'), defaults, text)
      equal(permissions(t.path('d')), 0o755, 'the directory itself is not changed')
      ok(posix.close(ok(posix.open(t.path('d/f'), c.O_CREAT | c.O_WRONLY, 0o666))))
      ok(posix.mkdir(t.path('d/e'), 0o777))
      equal(get(t.path('d/f'), access), `u::rw-,u:${t.users.other.uid}:rwx,g::r-x,m::rw-,o::---`)
      fails(posix.getxattr(t.path('d/f'), defaults), 'ENODATA')
      equal(get(t.path('d/e'), access), text)
      equal(get(t.path('d/e'), defaults), text)
      equal(permissions(t.path('d/f')), 0o660)
      equal(await rights(t, t.users.other, t.path('d/f')), 'rw-')
    },
  },
  {
    name: 'with a default ACL the umask does not count, only the mode asked for',
    run(t) {
      directory(t.path('d'))
      directory(t.path('plain'))
      set(t.path('d'), defaults, 'u::rwx,g::rwx,o::rwx')
      posix.umask(0o077)
      try {
        for (const name of ['d', 'plain']) {
          ok(posix.close(ok(posix.open(t.path(`${name}/f`), c.O_CREAT | c.O_WRONLY, 0o664))))
          ok(posix.mkdir(t.path(`${name}/sub`), 0o775))
          ok(posix.mkfifo(t.path(`${name}/fifo`), 0o662))
        }
      } finally {
        posix.umask(0o022)
      }
      deepEqual(
        ['d/f', 'd/sub', 'd/fifo', 'plain/f', 'plain/sub', 'plain/fifo'].map((name) =>
          permissions(t.path(name)),
        ),
        [0o664, 0o775, 0o662, 0o600, 0o700, 0o600],
      )
    },
  },
  {
    name: 'the mode asked for limits what a default ACL grants, as on the reference',
    async run(t) {
      await t.compare((base) => {
        directory(`${base}/d`)
        ok(posix.setxattr(`${base}/d`, defaults, acl('u::rw-,u:64001:r-x,g::rwx,g:64100:rwx,m::rwx,o::r--')))
        return [0o777, 0o640, 0o600, 0o066, 0].map((mode, index) => {
          const path = `${base}/d/${index}`
          ok(posix.close(ok(posix.open(path, c.O_CREAT | c.O_WRONLY, mode))))
          return [permissions(path), get(path, access)]
        })
      })
    },
  },
  {
    name: 'a default ACL counts for mknod, O_TMPFILE and symlinks as on the reference',
    requires: ['tmpfile'],
    async run(t) {
      await t.compare((base) => {
        directory(`${base}/d`)
        ok(posix.setxattr(`${base}/d`, defaults, acl('u::rwx,u:64001:rwx,g::---,m::rwx,o::---')))
        ok(posix.mkfifo(`${base}/d/fifo`, 0o666))
        ok(posix.symlink('x', `${base}/d/link`))
        return withFile(
          `${base}/d`,
          c.O_TMPFILE | c.O_RDWR,
          (fd) => [
            permissions(`${base}/d/fifo`),
            get(`${base}/d/fifo`, access),
            outcome(posix.lgetxattr(`${base}/d/link`, access)),
            ok(posix.fstat(fd)).mode & 0o7777,
            posix.fgetxattr(fd, access),
          ],
          0o666,
        )
      })
    },
  },
  {
    name: 'default ACLs belong to directories, and malformed values are EINVAL',
    run(t) {
      create(t.path('f'))
      fails(posix.setxattr(t.path('f'), defaults, acl('u::rw-,g::r--,o::r--')), 'EACCES', 'EPERM')
      for (const value of [
        Buffer.from('nonsense'),
        acl('u::rw-,u:64001:rw-,g::r--,o::r--'),
        acl('u::rw-,o::r--'),
        Buffer.concat([acl('u::rw-,g::r--,o::r--'), Buffer.alloc(3)]),
      ]) {
        fails(posix.setxattr(t.path('f'), access, value), 'EINVAL', 'EOPNOTSUPP')
      }
      equal(permissions(t.path('f')), 0o644)
    },
  },
  {
    name: 'only the owner changes an ACL',
    requires: ['users'],
    async run(t) {
      const path = owned(t, 'f', 0o666)
      const value = acl('u::rw-,g::rw-,o::---')
      fails(await (await t.as(t.users.member)).sys.setxattr(path, access, value), 'EPERM')
      fails(await (await t.as(t.users.other)).sys.removexattr(path, access), 'EPERM')
      ok(await (await t.as(t.users.owner)).sys.setxattr(path, access, value))
      equal(permissions(path), 0o660)
    },
  },
  {
    name: 'setting an ACL by an owner outside the file’s group clears S_ISGID, as on the reference',
    requires: ['users'],
    async run(t) {
      await t.compare(async (base) => {
        create(`${base}/f`, '', 0o755)
        ok(posix.chown(`${base}/f`, t.users.owner.uid, t.users.other.gid))
        ok(posix.chmod(`${base}/f`, 0o2755))
        const { sys } = await t.as(t.users.owner)
        const result = outcome(
          await sys.setxattr(`${base}/f`, access, acl('u::rwx,u:64003:r--,g::r-x,m::r-x,o::r-x')),
        )
        return [result, permissions(`${base}/f`)]
      })
    },
  },
  {
    name: 'an ACL on a directory decides search, listing and making names in it',
    requires: ['users'],
    async run(t) {
      directory(t.path('d'), 0o700)
      create(t.path('d/f'), 'x')
      const { uid } = t.users.other
      const { sys } = await t.as(t.users.other)
      fails(await sys.lstat(t.path('d/f')), 'EACCES')
      set(t.path('d'), access, `u::rwx,u:${uid}:--x,g::---,m::rwx,o::---`)
      ok(await sys.lstat(t.path('d/f')))
      fails(await sys.list(t.path('d')), 'EACCES')
      fails(await sys.unlink(t.path('d/f')), 'EACCES')
      set(t.path('d'), access, `u::rwx,u:${uid}:rwx,g::---,m::rwx,o::---`)
      deepEqual(await sys.list(t.path('d')), ['f'])
      ok(await sys.unlink(t.path('d/f')))
      ok(await sys.mkdir(t.path('d/new'), 0o755))
      equal(status(t.path('d/new')).uid, uid)
    },
  },
  {
    name: 'setting an access ACL changes ctime',
    async run(t) {
      create(t.path('f'))
      const before = status(t.path('f'))
      await tick()
      set(t.path('f'), access, 'u::rwx,g::r-x,o::r-x')
      const after = status(t.path('f'))
      equal(after.ctime > before.ctime, true)
      equal(after.mtime, before.mtime)
    },
  },
]

export const cases = withAcl.map(
  (one): ConformanceCase => ({ ...one, requires: ['acl', ...(one.requires ?? [])] }),
)
