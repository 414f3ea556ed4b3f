// The loop never sleeps: while reads and fsyncs of one file wait for its source, everything else is answered.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { constants as c, errnoName, Peer, posix } from '@hawser/test-kit'
import type { MountedServer } from '../test-support/mounted-server.js'
import { needsRoot, Workspace } from '../test-support/workspace.js'

/** The file system beneath. */
class Stalling {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>

  constructor(place: Workspace, directory: string) {
    const program = fileURLToPath(new URL('../test-support/stalling-main.js', import.meta.url))
    this.#child = spawn(process.execPath, [program, directory], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]()
    place.atEnd(() => this.#child.kill('SIGKILL'))
  }
  async heard(word: string): Promise<void> {
    assert.equal((await this.#lines.next()).value, word)
  }
  go(): void {
    this.#child.stdin!.write('go\n')
  }
}

interface Setup {
  stalling: Stalling
  server: MountedServer
  peer: Peer
  fd: number
}

async function setup(t: TestContext): Promise<Setup> {
  const place = new Workspace(t)
  const source = place.directory('source')
  const stalling = new Stalling(place, source)
  await stalling.heard('ready')
  // What the kernel reads itself is not the server's to answer.
  const server = await place.serve(source, { cache: 'never', passthrough: 'off' })
  const peer = await Peer.start()
  t.after(() => peer.kill())
  const fd = await peer.sys.open(server.path('slow'), c.O_RDWR)
  assert.ok(fd >= 0, errnoName(fd))
  return { stalling, server, peer, fd }
}

/** What others do meanwhile; the latencies of getattr in microseconds. */
function work(server: MountedServer, count: number): number[] {
  const latencies: number[] = []
  const path = server.path('fast')
  for (let i = 0; i < count; i++) {
    const start = process.hrtime.bigint()
    const status = posix.lstatFresh(path)
    latencies.push(Number(process.hrtime.bigint() - start) / 1000)
    assert.ok(typeof status === 'object')
  }
  assert.equal(readFileSync(path, 'utf8'), 'fast content')
  for (const name of readdirSync(server.path('inside'))) statSync(server.path(join('inside', name)))
  return latencies.sort((a, b) => a - b)
}

function report(t: TestContext, what: string, latencies: number[]): void {
  const at = (part: number) => Math.round(latencies[Math.floor((latencies.length - 1) * part)])
  t.diagnostic(`getattr during a stalled ${what}: p50 ${at(0.5)} us, p99 ${at(0.99)} us, longest ${at(1)} us`)
}

const calls = {
  read: { go: ({ peer, fd }: Setup) => peer.sys.pread(fd, 100, 0), expected: 'slow content' },
  fsync: { go: ({ peer, fd }: Setup) => peer.sys.fsync(fd), expected: 0 },
}

const python = { read: 'os.pread(fd, 100, 0)', fsync: 'os.fsync(fd)' }

for (const [what, { go, expected }] of Object.entries(calls)) {
  test(
    `getattr, reads and listings of others are answered during a stalled ${what}`,
    needsRoot,
    async (t) => {
      const all = await setup(t)
      let done = false
      const pending = go(all).then((result) => {
        done = true
        return result
      })
      await all.stalling.heard(what)
      report(t, what, work(all.server, 3000))
      assert.equal((await all.server.state()).inFlight, 1)
      assert.equal(done, false)
      all.stalling.go()
      const result = await pending
      assert.equal(typeof result === 'number' ? result : String(result), expected)
    },
  )

  test(`Ctrl-C ends a process that waits for a stalled ${what}`, needsRoot, async (t) => {
    const all = await setup(t)
    const program = `import os, sys; fd = os.open(sys.argv[1], os.O_RDWR); ${python[what as keyof typeof calls]}`
    // Without a handler for the signal, as most programs are.
    const ignorant = `import signal; signal.signal(signal.SIGINT, signal.SIG_DFL); ${program}`
    const child = spawn('python3', ['-c', ignorant, all.server.path('slow')], { stdio: 'ignore' })
    t.after(() => child.kill('SIGKILL'))
    await all.stalling.heard(what)
    child.kill('SIGINT')
    assert.deepEqual(await once(child, 'exit'), [null, 'SIGINT'])
    await all.peer.sys.close(all.fd)
    assert.ok(work(all.server, 100).length > 0)
    all.stalling.go()
    const { inFlight, handles } = await all.server.settled((state) => state.inFlight + state.handles === 0)
    assert.deepEqual([inFlight, handles], [0, 0])
  })
}

const STALLED = 128

test('many stalled reads do not keep others from being answered', needsRoot, async (t) => {
  const all = await setup(t)
  const program = `
import os, sys, threading
fd = os.open(sys.argv[1], os.O_RDONLY)
found = []
def read(): found.append(os.pread(fd, 100, 0).decode())
threads = [threading.Thread(target=read) for _ in range(int(sys.argv[2]))]
for one in threads: one.start()
for one in threads: one.join()
for one in found: print(one)
`
  const child = spawn('python3', ['-c', program, all.server.path('slow'), String(STALLED)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  let printed = ''
  child.stdout.on('data', (data) => {
    printed += data
  })
  const { inFlight } = await all.server.settled((state) => state.inFlight === STALLED)
  assert.equal(inFlight, STALLED)
  // Reading another file needs a thread too.
  report(t, `${STALLED} reads`, work(all.server, 2000))
  assert.equal(printed, '')
  let finished = false
  const end = once(child, 'close').then(() => {
    finished = true
  })
  // The source is asked once for what several wait for, and once more by those who come after.
  while (!finished) {
    all.stalling.go()
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  await end
  assert.equal(printed, 'slow content\n'.repeat(STALLED))
})
