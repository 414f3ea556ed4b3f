// locks=source: locks hold between the mount, the source itself and other mounts of it.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { constants as c, errnoName, Peer } from '@hawser/test-kit'
import type { MountedServer } from '../test-support/mounted-server.js'
import { until } from '../test-support/until.js'
import { needsRoot, Workspace } from '../test-support/workspace.js'
import type { MountOptions } from './types.js'

const SIGUSR1 = 10

interface Actor {
  peer: Peer
  fd: number
}

interface Place {
  server: MountedServer
  /** Where the file is seen: the mount, its source and another mount of it. */
  directories: string[]
  /** A process for each. */
  peers: Peer[]
}

const workspace = new Workspace()
/** By options: begun with the first test that needs them, and kept for the others, each of which has a file of its own. */
const places = new Map<string, Promise<Place>>()
let files = 0

async function begin(options: Partial<MountOptions>): Promise<Place> {
  const source = workspace.ext4(64)
  const server = await workspace.serve(source, options)
  const other = await workspace.serve(source, options)
  const directories = [server.mountpoint, source, other.mountpoint]
  const peers = await Promise.all(directories.map(() => Peer.start()))
  workspace.atEnd(() => Promise.all(peers.map((peer) => peer.kill())))
  return { server, directories, peers }
}

async function actor(t: TestContext, peer: Peer, path: string): Promise<Actor> {
  const fd = await peer.sys.open(path, c.O_RDWR)
  assert.ok(fd >= 0, errnoName(fd))
  t.after(() => peer.alive && peer.sys.close(fd))
  return { peer, fd }
}

interface Setup {
  server: MountedServer
  /** On the mount, on the source, on the other mount. */
  actors: Actor[]
  /** One more on the mount, in a process of its own that may be killed. */
  another(): Promise<Actor>
}

async function setup(t: TestContext, options: Partial<MountOptions>): Promise<Setup> {
  const key = JSON.stringify(options)
  const place = places.get(key) ?? begin(options)
  places.set(key, place)
  const { server, directories, peers } = await place
  const name = `file-${files++}`
  writeFileSync(join(directories[1], name), 'content')
  const actors = []
  for (const [index, directory] of directories.entries())
    actors.push(await actor(t, peers[index], join(directory, name)))
  const another = async () => {
    const peer = await Peer.start()
    t.after(() => peer.kill())
    return actor(t, peer, server.path(name))
  }
  return { server, actors, another }
}

type Kind = 'posix' | 'ofd' | 'flock'
const kinds: Kind[] = ['posix', 'ofd', 'flock']

function lock({ peer, fd }: Actor, kind: Kind, type: number, wait = false): Promise<number> {
  if (kind === 'flock') {
    const operation = type === c.F_UNLCK ? c.LOCK_UN : type === c.F_RDLCK ? c.LOCK_SH : c.LOCK_EX
    return peer.sys.flock(fd, operation | (wait ? 0 : c.LOCK_NB))
  }
  const command = kind === 'posix' ? (wait ? c.F_SETLKW : c.F_SETLK) : wait ? c.F_OFD_SETLKW : c.F_OFD_SETLK
  return peer.sys.setLock(fd, command, type, 0, 0)
}

/** A lock that waits until the server works on it. */
async function waiting(server: MountedServer, actor: Actor, kind: Kind): Promise<Promise<number>[]> {
  const result = lock(actor, kind, c.F_WRLCK, true)
  const { inFlight } = await server.settled((state) => state.inFlight === 1)
  assert.equal(inFlight, 1)
  // In an array, so that it is not awaited on the way.
  return [result]
}

for (const kind of kinds) {
  test(`${kind}: a lock on one is in the way of the others`, needsRoot, async (t) => {
    const { actors } = await setup(t, { locks: 'source' })
    for (const holder of actors)
      for (const other of actors.filter((one) => one !== holder)) {
        assert.equal(await lock(holder, kind, c.F_WRLCK), 0)
        assert.equal(errnoName(await lock(other, kind, c.F_WRLCK)), 'EAGAIN')
        assert.equal(errnoName(await lock(other, kind, c.F_RDLCK)), 'EAGAIN')
        assert.equal(await lock(holder, kind, c.F_RDLCK), 0)
        assert.equal(await lock(other, kind, c.F_RDLCK), 0)
        assert.equal(errnoName(await lock(other, kind, c.F_WRLCK)), 'EAGAIN')
        assert.equal(await lock(holder, kind, c.F_UNLCK), 0)
        assert.equal(await lock(other, kind, c.F_WRLCK), 0)
        assert.equal(await lock(other, kind, c.F_UNLCK), 0)
      }
  })

  test(`${kind}: a waiter gets the lock when it is given up, or a signal`, needsRoot, async (t) => {
    const { server, actors } = await setup(t, { locks: 'source' })
    const [mounted, direct] = actors
    await mounted.peer.sys.interruptOn(SIGUSR1)
    assert.equal(await lock(direct, kind, c.F_WRLCK), 0)
    const [granted] = await waiting(server, mounted, kind)
    assert.equal(await lock(direct, kind, c.F_UNLCK), 0)
    assert.equal(await granted, 0)
    assert.equal(errnoName(await lock(direct, kind, c.F_WRLCK)), 'EAGAIN')
    assert.equal(await lock(mounted, kind, c.F_UNLCK), 0)

    assert.equal(await lock(direct, kind, c.F_WRLCK), 0)
    const [interrupted] = await waiting(server, mounted, kind)
    mounted.peer.signal('SIGUSR1')
    assert.equal(errnoName(await interrupted), 'EINTR')
    // It does not get the lock later on.
    assert.equal(await lock(direct, kind, c.F_UNLCK), 0)
    assert.equal(await lock(actors[2], kind, c.F_WRLCK), 0)
    assert.equal((await server.state()).inFlight, 0)
  })

  test(`${kind}: given up by close, and by the end of a process`, needsRoot, async (t) => {
    const { server, actors, another } = await setup(t, { locks: 'source' })
    const [mounted, direct] = actors
    // What earlier tests closed may still be on its way to the server.
    const { descriptors, handles } = await server.settled((state) => state.handles === 1)
    assert.equal(handles, 1)
    const free = async () => {
      // What a close gives up may still be on its way to the server.
      const freed = await until(async () => (await lock(direct, kind, c.F_WRLCK)) === 0)
      return freed ? lock(direct, kind, c.F_UNLCK) : -c.EAGAIN
    }
    assert.equal(await lock(mounted, kind, c.F_WRLCK), 0)
    assert.equal(await mounted.peer.sys.close(mounted.fd), 0)
    assert.equal(await free(), 0, 'after close')

    const second = await another()
    assert.equal(await lock(second, kind, c.F_WRLCK), 0)
    assert.equal(errnoName(await lock(direct, kind, c.F_WRLCK)), 'EAGAIN')
    await second.peer.kill()
    assert.equal(await free(), 0, 'after the process')

    const third = await another()
    assert.equal(await lock(direct, kind, c.F_WRLCK), 0)
    const [killed] = await waiting(server, third, kind)
    killed.catch(() => {})
    await third.peer.kill()
    await assert.rejects(killed)
    assert.equal(await lock(direct, kind, c.F_UNLCK), 0)
    assert.equal(await free(), 0, 'after a waiter')
    const after = await server.settled((state) => state.descriptors <= descriptors)
    assert.ok(after.descriptors <= descriptors, `${descriptors} descriptors, then ${after.descriptors}`)
  })

  test(`${kind}: by default, locks are the mount's own`, needsRoot, async (t) => {
    const { actors, another } = await setup(t, {})
    const [mounted, direct, other] = actors
    for (const one of [mounted, direct, other]) assert.equal(await lock(one, kind, c.F_WRLCK), 0)
    const neighbour = await another()
    assert.equal(errnoName(await lock(neighbour, kind, c.F_WRLCK)), 'EAGAIN')
  })
}

test('ranges: the lock in the way is told, a range is unlocked in the middle', needsRoot, async (t) => {
  const { actors } = await setup(t, { locks: 'source' })
  const [mounted, direct] = actors
  const set = ({ peer, fd }: Actor, type: number, start: number | bigint, length: number) =>
    peer.sys.setLock(fd, c.F_SETLK, type, start, length)
  const ask = async ({ peer, fd }: Actor, start: number | bigint, length: number) => {
    const found = await peer.sys.getLock(fd, c.F_GETLK, c.F_WRLCK, start, length)
    if (typeof found === 'number') throw new Error(errnoName(found))
    return found.type === c.F_UNLCK ? 'free' : [found.type, Number(found.start), Number(found.length)]
  }
  assert.equal(await set(mounted, c.F_WRLCK, 0, 100), 0)
  assert.equal(await set(mounted, c.F_UNLCK, 40, 20), 0)
  assert.deepEqual(await ask(direct, 0, 0), [c.F_WRLCK, 0, 40])
  assert.equal(await ask(direct, 40, 20), 'free')
  assert.deepEqual(await ask(direct, 50, 0), [c.F_WRLCK, 60, 40])
  assert.equal(await set(direct, c.F_RDLCK, 45, 5), 0)
  assert.deepEqual(await ask(mounted, 0, 0), [c.F_RDLCK, 45, 5])
  assert.equal(await set(mounted, c.F_UNLCK, 0, 0), 0)
  // To the end of the file, wherever that will be.
  assert.equal(await set(mounted, c.F_WRLCK, 1000, 0), 0)
  assert.deepEqual(await ask(direct, 2 ** 40, 1), [c.F_WRLCK, 1000, 0])
  // Beyond what numbers tell apart, single bytes still are.
  const far = 2n ** 62n + 1n
  assert.equal(await set(mounted, c.F_UNLCK, 0, 0), 0)
  assert.equal(await set(mounted, c.F_WRLCK, far, 1), 0)
  assert.equal(await ask(direct, far - 1n, 1), 'free')
  assert.equal(await ask(direct, far + 1n, 1), 'free')
  assert.equal(errnoName(await set(direct, c.F_WRLCK, far, 1)), 'EAGAIN')
  assert.equal(await set(direct, c.F_WRLCK, far + 1n, 2), 0)
  const found = await mounted.peer.sys.getLock(mounted.fd, c.F_GETLK, c.F_WRLCK, far - 1n, 10)
  assert.ok(typeof found === 'object')
  assert.deepEqual([found.start, found.length], [far + 1n, 2n])
  assert.equal(await set(direct, c.F_UNLCK, 0, 0), 0)
  assert.equal(await set(mounted, c.F_WRLCK, 1000, 0), 0)
  // POSIX: any close of the file gives up all locks of the process.
  const again = await mounted.peer.sys.open(`/proc/self/fd/${mounted.fd}`, c.O_RDONLY)
  assert.equal(await mounted.peer.sys.close(again), 0)
  assert.equal(await ask(direct, 1000, 0), 'free')
})
