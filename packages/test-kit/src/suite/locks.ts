import { deepEqual, equal, notEqual } from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { create, fails, ok, text } from '../assertions.js'
import type { CaseContext, ConformanceCase } from '../case.js'
import { constants as c } from '../native.js'
import type { Peer } from '../peer.js'
import * as posix from '../posix.js'

const { F_SETLK, F_SETLKW, F_GETLK, F_OFD_SETLK, F_OFD_GETLK, F_RDLCK, F_WRLCK, F_UNLCK } = c
const maximum = 2n ** 63n - 1n

// Two processes with the same file open.
async function pair(t: CaseContext): Promise<{ a: Peer; b: Peer; fa: number; fb: number; path: string }> {
  const path = t.path('f')
  create(path, 'x'.repeat(1000))
  const [a, b] = [await t.process(0), await t.process(1)]
  return { a, b, fa: ok(await a.sys.open(path, c.O_RDWR)), fb: ok(await b.sys.open(path, c.O_RDWR)), path }
}

// Resolves to 'waiting' when the peer sleeps in a call for a lock, however long it took to get there, and goes on sleeping.
async function settledOrWaiting<T>(peer: Peer, promise: Promise<T>): Promise<T | 'waiting'> {
  let settled = false
  const end = () => {
    settled = true
  }
  promise.then(end, end)
  while (!settled && !sleepsForLock(peer)) await sleep(2)
  return Promise.race([promise, sleep(100, 'waiting' as const)])
}

// The kernel shows the number of the system call that a process sleeps in.
function sleepsForLock(peer: Peer): boolean {
  try {
    const call = Number.parseInt(readFileSync(`/proc/${peer.pid}/syscall`, 'latin1'), 10)
    return call === c.SYS_fcntl || call === c.SYS_flock
  } catch {
    // Where processes may not look at others (ptrace_scope), only the time that follows tells.
    return true
  }
}

// Sends the signal until the call ends: one that arrives before the call has begun interrupts nothing.
async function interrupted<T>(peer: Peer, waiting: Promise<T>): Promise<T> {
  const timer = setInterval(() => peer.signal('SIGUSR2'), 20)
  try {
    return await waiting
  } finally {
    clearInterval(timer)
  }
}

export const cases: ConformanceCase[] = [
  {
    name: 'fcntl: a write lock keeps others out, a read lock shares with readers',
    async run(t) {
      const { a, b, fa, fb } = await pair(t)
      ok(await a.sys.setLock(fa, F_SETLK, F_WRLCK, 0, 100))
      fails(await b.sys.setLock(fb, F_SETLK, F_WRLCK, 50, 10), 'EAGAIN', 'EACCES')
      fails(await b.sys.setLock(fb, F_SETLK, F_RDLCK, 99, 1), 'EAGAIN', 'EACCES')
      ok(await b.sys.setLock(fb, F_SETLK, F_WRLCK, 100, 10))
      ok(await a.sys.setLock(fa, F_SETLK, F_RDLCK, 0, 100))
      ok(await b.sys.setLock(fb, F_SETLK, F_RDLCK, 0, 100))
      fails(await a.sys.setLock(fa, F_SETLK, F_WRLCK, 0, 1), 'EAGAIN', 'EACCES')
    },
  },
  {
    name: 'fcntl: F_GETLK tells type, range and process of the lock in the way, or F_UNLCK',
    async run(t) {
      const { a, b, fa, fb } = await pair(t)
      ok(await a.sys.setLock(fa, F_SETLK, F_WRLCK, 10, 20))
      const found = ok(await b.sys.getLock(fb, F_GETLK, F_RDLCK, 0, 0))
      deepEqual(found, { type: F_WRLCK, whence: 0, start: 10n, length: 20n, pid: a.pid })
      equal(ok(await b.sys.getLock(fb, F_GETLK, F_WRLCK, 30, 0)).type, F_UNLCK)
      equal(ok(await a.sys.getLock(fa, F_GETLK, F_WRLCK, 0, 0)).type, F_UNLCK, 'own locks are not in the way')
    },
  },
  {
    name: 'fcntl: length 0 locks to the end of the file however far it grows',
    async run(t) {
      const { a, b, fa, fb } = await pair(t)
      ok(await a.sys.setLock(fa, F_SETLK, F_WRLCK, 500, 0))
      ok(await b.sys.setLock(fb, F_SETLK, F_WRLCK, 0, 500))
      fails(await b.sys.setLock(fb, F_SETLK, F_WRLCK, 1n << 40n, 1), 'EAGAIN', 'EACCES')
      fails(await b.sys.setLock(fb, F_SETLK, F_WRLCK, maximum, 1), 'EAGAIN', 'EACCES')
      const found = ok(await b.sys.getLock(fb, F_GETLK, F_WRLCK, 600, 1))
      deepEqual([found.start, found.length], [500n, 0n])
    },
  },
  {
    name: 'fcntl: the last lockable byte is INT64_MAX, and a range beyond is EOVERFLOW or EINVAL as on the reference',
    async run(t) {
      await t.compare(async (base) => {
        create(`${base}/f`)
        const fd = ok(posix.open(`${base}/f`, c.O_RDWR))
        const other = await t.process()
        const second = ok(await other.sys.open(`${base}/f`, c.O_RDWR))
        const results = [
          posix.setLock(fd, F_SETLK, F_WRLCK, maximum, 1),
          posix.setLock(fd, F_SETLK, F_WRLCK, maximum, 2),
          posix.setLock(fd, F_SETLK, F_WRLCK, 10, -11),
          posix.setLock(fd, F_SETLK, F_WRLCK, -1, 1),
          posix.setLock(fd, F_SETLK, 77, 0, 1),
        ]
        const found = ok(await other.sys.getLock(second, F_GETLK, F_WRLCK, 0, 0))
        await other.sys.close(second)
        posix.close(fd)
        return [results, found.type, found.start, found.length]
      })
    },
  },
  {
    name: 'fcntl: a negative length locks the bytes before the start',
    async run(t) {
      const { a, b, fa, fb } = await pair(t)
      ok(await a.sys.setLock(fa, F_SETLK, F_WRLCK, 100, -50))
      const found = ok(await b.sys.getLock(fb, F_GETLK, F_WRLCK, 0, 0))
      deepEqual([found.start, found.length], [50n, 50n])
    },
  },
  {
    name: 'fcntl: ranges relative to the position and to the end',
    async run(t) {
      const { a, b, fa, fb } = await pair(t)
      ok(await a.sys.lseek(fa, 200, c.SEEK_SET))
      ok(await a.sys.setLock(fa, F_SETLK, F_WRLCK, 5, 10, c.SEEK_CUR))
      ok(await a.sys.setLock(fa, F_SETLK, F_WRLCK, -10, 10, c.SEEK_END))
      let found = ok(await b.sys.getLock(fb, F_GETLK, F_WRLCK, 0, 500))
      deepEqual([found.start, found.length], [205n, 10n])
      found = ok(await b.sys.getLock(fb, F_GETLK, F_WRLCK, 500, 0))
      deepEqual([found.start, found.length], [990n, 10n])
    },
  },
  {
    name: 'fcntl: unlocking the middle splits a lock, and locking across joins',
    async run(t) {
      const { a, b, fa, fb } = await pair(t)
      ok(await a.sys.setLock(fa, F_SETLK, F_WRLCK, 0, 300))
      ok(await a.sys.setLock(fa, F_SETLK, F_UNLCK, 100, 100))
      ok(await b.sys.setLock(fb, F_SETLK, F_WRLCK, 100, 100))
      fails(await b.sys.setLock(fb, F_SETLK, F_WRLCK, 99, 1), 'EAGAIN', 'EACCES')
      fails(await b.sys.setLock(fb, F_SETLK, F_WRLCK, 200, 1), 'EAGAIN', 'EACCES')
      ok(await b.sys.setLock(fb, F_SETLK, F_UNLCK, 0, 0))
      ok(await a.sys.setLock(fa, F_SETLK, F_WRLCK, 100, 100))
      const found = ok(await b.sys.getLock(fb, F_GETLK, F_WRLCK, 150, 1))
      deepEqual([found.start, found.length], [0n, 300n])
    },
  },
  {
    name: 'fcntl: closing any descriptor of the file releases all locks of the process',
    async run(t) {
      const { a, b, fa, fb, path } = await pair(t)
      ok(await a.sys.setLock(fa, F_SETLK, F_WRLCK, 0, 0))
      ok(await a.sys.close(ok(await a.sys.open(path, c.O_RDONLY))))
      ok(await b.sys.setLock(fb, F_SETLK, F_WRLCK, 0, 0))
      ok(await b.sys.close(fb))
      ok(await a.sys.setLock(fa, F_SETLK, F_WRLCK, 0, 0))
    },
  },
  {
    name: 'fcntl: the locks of a killed process are released',
    async run(t) {
      const { a, b, fa, fb } = await pair(t)
      ok(await a.sys.setLock(fa, F_SETLK, F_WRLCK, 0, 0))
      const waiting = b.sys.setLock(fb, F_SETLKW, F_WRLCK, 0, 0)
      equal(await settledOrWaiting(b, waiting), 'waiting')
      await a.kill()
      ok(await waiting)
    },
  },
  {
    name: 'fcntl: F_SETLKW waits for the release',
    async run(t) {
      const { a, b, fa, fb } = await pair(t)
      ok(await a.sys.setLock(fa, F_SETLK, F_WRLCK, 0, 10))
      const waiting = b.sys.setLock(fb, F_SETLKW, F_RDLCK, 5, 1)
      equal(await settledOrWaiting(b, waiting), 'waiting')
      ok(await a.sys.setLock(fa, F_SETLK, F_UNLCK, 0, 10))
      ok(await waiting)
      fails(await a.sys.setLock(fa, F_SETLK, F_WRLCK, 5, 1), 'EAGAIN', 'EACCES')
    },
  },
  {
    name: 'fcntl: a signal ends the wait of F_SETLKW with EINTR and without the lock',
    async run(t) {
      const { a, b, fa, fb } = await pair(t)
      ok(await b.sys.interruptOn(c.SIGUSR2))
      ok(await a.sys.setLock(fa, F_SETLK, F_WRLCK, 0, 10))
      const waiting = b.sys.setLock(fb, F_SETLKW, F_WRLCK, 0, 10)
      equal(await settledOrWaiting(b, waiting), 'waiting')
      fails(await interrupted(b, waiting), 'EINTR')
      ok(await a.sys.setLock(fa, F_SETLK, F_UNLCK, 0, 10))
      equal(ok(await a.sys.getLock(fa, F_GETLK, F_WRLCK, 0, 0)).type, F_UNLCK)
      ok(await b.sys.setLock(fb, F_SETLK, F_WRLCK, 0, 10))
    },
  },
  {
    name: 'fcntl: a write lock needs a writable descriptor and a read lock a readable one',
    async run(t) {
      create(t.path('f'))
      const reader = ok(posix.open(t.path('f'), c.O_RDONLY))
      const writer = ok(posix.open(t.path('f'), c.O_WRONLY))
      fails(posix.setLock(reader, F_SETLK, F_WRLCK, 0, 0), 'EBADF')
      fails(posix.setLock(writer, F_SETLK, F_RDLCK, 0, 0), 'EBADF')
      ok(posix.setLock(reader, F_SETLK, F_RDLCK, 0, 0))
      posix.close(reader)
      posix.close(writer)
    },
  },
  {
    name: 'OFD: locks belong to the open file, conflict within a process, and end with its last descriptor',
    run(t) {
      create(t.path('f'))
      const one = ok(posix.open(t.path('f'), c.O_RDWR))
      const two = ok(posix.open(t.path('f'), c.O_RDWR))
      ok(posix.setLock(one, F_OFD_SETLK, F_WRLCK, 0, 100))
      fails(posix.setLock(two, F_OFD_SETLK, F_RDLCK, 50, 1), 'EAGAIN')
      const found = ok(posix.getLock(two, F_OFD_GETLK, F_WRLCK, 0, 0))
      deepEqual([found.type, found.start, found.length, found.pid], [F_WRLCK, 0n, 100n, -1])
      const duplicate = ok(posix.fcntl(one, c.F_DUPFD, 0))
      posix.close(one)
      fails(posix.setLock(two, F_OFD_SETLK, F_RDLCK, 50, 1), 'EAGAIN')
      posix.close(duplicate)
      ok(posix.setLock(two, F_OFD_SETLK, F_WRLCK, 0, 0))
      posix.close(two)
    },
  },
  {
    name: 'OFD: locks conflict with fcntl locks of the same process',
    run(t) {
      create(t.path('f'))
      const one = ok(posix.open(t.path('f'), c.O_RDWR))
      const two = ok(posix.open(t.path('f'), c.O_RDWR))
      ok(posix.setLock(one, F_SETLK, F_WRLCK, 0, 10))
      fails(posix.setLock(two, F_OFD_SETLK, F_WRLCK, 0, 10), 'EAGAIN')
      posix.close(one)
      ok(posix.setLock(two, F_OFD_SETLK, F_WRLCK, 0, 10))
      posix.close(two)
    },
  },
  {
    name: 'flock: exclusive and shared, between open files of one process and of several',
    async run(t) {
      const { a, b, fa, fb, path } = await pair(t)
      ok(await a.sys.flock(fa, c.LOCK_EX))
      fails(await b.sys.flock(fb, c.LOCK_SH | c.LOCK_NB), 'EAGAIN')
      const second = ok(await a.sys.open(path, c.O_RDONLY))
      fails(await a.sys.flock(second, c.LOCK_SH | c.LOCK_NB), 'EAGAIN')
      ok(await a.sys.flock(fa, c.LOCK_SH))
      ok(await b.sys.flock(fb, c.LOCK_SH | c.LOCK_NB))
      ok(await a.sys.flock(second, c.LOCK_SH | c.LOCK_NB))
      fails(await a.sys.flock(fa, c.LOCK_EX | c.LOCK_NB), 'EAGAIN')
    },
  },
  {
    name: 'flock: the lock stays until the last duplicate is closed, and a waiter then has it',
    async run(t) {
      const { a, b, fa, fb } = await pair(t)
      ok(await a.sys.flock(fa, c.LOCK_EX))
      const duplicate = ok(await a.sys.fcntl(fa, c.F_DUPFD))
      notEqual(duplicate, fa)
      ok(await a.sys.close(fa))
      const waiting = b.sys.flock(fb, c.LOCK_EX)
      equal(await settledOrWaiting(b, waiting), 'waiting')
      ok(await a.sys.close(duplicate))
      ok(await waiting)
    },
  },
  {
    name: 'flock: a signal ends the wait with EINTR',
    async run(t) {
      const { a, b, fa, fb } = await pair(t)
      ok(await b.sys.interruptOn(c.SIGUSR2))
      ok(await a.sys.flock(fa, c.LOCK_EX))
      const waiting = b.sys.flock(fb, c.LOCK_EX)
      equal(await settledOrWaiting(b, waiting), 'waiting')
      fails(await interrupted(b, waiting), 'EINTR')
      ok(await a.sys.flock(fa, c.LOCK_UN))
      ok(await b.sys.flock(fb, c.LOCK_EX | c.LOCK_NB))
    },
  },
  {
    name: 'flock: directories and files opened read-only can be locked',
    async run(t) {
      const [a, b] = [await t.process(0), await t.process(1)]
      const fa = ok(await a.sys.open(t.directory, c.O_RDONLY | c.O_DIRECTORY))
      const fb = ok(await b.sys.open(t.directory, c.O_RDONLY | c.O_DIRECTORY))
      ok(await a.sys.flock(fa, c.LOCK_EX | c.LOCK_NB))
      fails(await b.sys.flock(fb, c.LOCK_EX | c.LOCK_NB), 'EAGAIN')
    },
  },
  ...(['posix', 'ofd', 'flock'] as const).map(
    (kind): ConformanceCase => ({
      name: `${kind === 'posix' ? 'fcntl' : kind === 'ofd' ? 'OFD' : 'flock'}: a counter that three processes add to under the lock loses nothing`,
      async run(t) {
        create(t.path('f'), '0'.padStart(16, '0'))
        const peers = await Promise.all([0, 1, 2].map((index) => t.process(index)))
        const results = await Promise.all(
          peers.map((peer) => peer.sys.incrementUnderLock(t.path('f'), kind, 60)),
        )
        deepEqual(results, [60, 60, 60])
        equal(Number(text(t.path('f'))), 180)
      },
    }),
  ),
]
