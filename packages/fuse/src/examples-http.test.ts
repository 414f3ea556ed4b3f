import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { mountPointIn, needsRoot } from './device/isolation.test.support.js'
import { startExample } from './examples.test.support.js'

const big = Buffer.alloc(1_500_000)
for (let at = 0; at + 4 <= big.length; at += 4) big.writeUInt32LE(at, at)

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}

/** A server of a directory with a listing, ranges, and files that never come. */
class Site {
  readonly requests: string[] = []
  readonly server = createServer((request, response) => this.#answer(request, response))
  version = 1
  ranges = true
  readonly #waiting = new Map<string, { arrived: () => void; gone: () => void }>()

  static async start(t: TestContext): Promise<Site> {
    const site = new Site()
    site.server.listen(0, '127.0.0.1')
    await once(site.server, 'listening')
    t.after(() => {
      site.server.closeAllConnections()
      site.server.close()
    })
    return site
  }
  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/files`
  }

  /** Leaves requests for a path unanswered. */
  stall(path: string): { arrived: Promise<void>; gone: Promise<void> } {
    const [arrived, gone] = [deferred(), deferred()]
    this.#waiting.set(path, { arrived: arrived.resolve, gone: gone.resolve })
    return { arrived: arrived.promise, gone: gone.promise }
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { method, url = '', headers } = request
    const range = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '')
    this.requests.push(range ? `${method} ${url} ${range[1]}` : `${method} ${url}`)
    const stalled = this.#waiting.get(range ? `${url} ${range[1]}` : url)
    if (stalled) {
      stalled.arrived()
      response.once('close', stalled.gone)
      return
    }
    const pages: Record<string, string> = {
      '/files/': `<a href="../">up</a> <A class=x HREF='big'>big</A> <a href="sub%20dir/">sub</a> <a href="?C=M">sort</a>
        <a href="/files/a&amp;b%2Fc">slash</a> <a href="/files/a&amp;b">a</a> <a href="https://elsewhere/files/no">no</a>
        <a href="secret">s</a> <a href="missing">m</a> <a href="slow/">slow</a>`,
      '/files/sub%20dir/': '<a href="empty">empty</a>',
    }
    const files: Record<string, Buffer> = {
      '/files/big': big,
      '/files/a&b': Buffer.from('a and b\n'),
      '/files/sub%20dir/empty': Buffer.alloc(0),
    }
    if (pages[url] !== undefined) return void response.end(pages[url])
    if (url === '/files/secret') return void response.writeHead(403).end()
    const content = files[url]
    if (!content) return void response.writeHead(404).end()
    response.setHeader('etag', `"${this.version}"`)
    response.setHeader('last-modified', 'Wed, 21 Oct 2015 07:28:00 GMT')
    if (range && this.ranges) {
      const part = content.subarray(Number(range[1]), Number(range[2]) + 1)
      response.writeHead(206, { 'content-length': part.length }).end(part)
    } else
      response
        .writeHead(200, { 'content-length': content.length })
        .end(method === 'HEAD' ? undefined : content)
  }
}

/** Runs a program, whose server this process may be. */
function run(
  program: string,
  ...args: string[]
): Promise<{ status: number; output: Buffer; errors: string }> {
  return new Promise((resolve) => {
    execFile(
      program,
      args,
      { encoding: 'buffer', maxBuffer: 1 << 24, env: { LC_ALL: 'C', PATH: process.env.PATH } },
      (error, output, errors) =>
        resolve({ status: error ? Number(error.code ?? -1) : 0, output, errors: errors.toString() }),
    )
  })
}

function start(
  t: TestContext,
  program: string,
  ...args: string[]
): { child: ChildProcess; ended: Promise<NodeJS.Signals | null> } {
  const child = spawn(program, args, { stdio: 'ignore' })
  const ended = once(child, 'close').then(([, signal]) => signal)
  t.after(() => child.kill('SIGKILL'))
  return { child, ended }
}

test('a site is listed and read', needsRoot, async (t) => {
  const site = await Site.start(t)
  const mountpoint = mountPointIn(t)
  const http = await startExample(t, 'http', site.url, mountpoint)
  const listed = await run('ls', '-1', mountpoint)
  assert.equal(listed.output.toString(), 'a&b\nbig\nmissing\nsecret\nslow\nsub dir\n')
  assert.deepEqual((await run('cat', join(mountpoint, 'big'))).output, big)
  assert.equal((await run('cat', join(mountpoint, 'a&b'))).output.toString(), 'a and b\n')
  const facts = await run('stat', '-c', '%F %s %Y', join(mountpoint, 'sub dir/empty'))
  assert.equal(facts.output.toString(), 'regular empty file 0 1445412480\n')
  const errors = ['missing', 'secret', 'absent'].map((name) => run('cat', join(mountpoint, name)))
  const [missing, secret, absent] = (await Promise.all(errors)).map(({ errors }) => errors)
  assert.match(missing, /No such file/)
  assert.match(secret, /Permission denied/)
  assert.match(absent, /No such file/)
  assert.match((await run('touch', join(mountpoint, 'new'))).errors, /Read-only file system/)
  http.process.kill('SIGTERM')
  assert.deepEqual(await http.ended, { code: 0, signal: null, stderr: '' })
})

test('what was read is kept, and asked for in ranges', needsRoot, async (t) => {
  const site = await Site.start(t)
  const mountpoint = mountPointIn(t)
  await startExample(t, 'http', site.url, mountpoint)
  // Past the page cache, so that each read reaches the example.
  const read = (skip: number) =>
    run('dd', `if=${mountpoint}/big`, 'iflag=direct', 'bs=4096', 'count=1', `skip=${skip}`, 'status=none')
  for (const skip of [100, 101, 102, 101])
    assert.deepEqual((await read(skip)).output, big.subarray(skip * 4096, (skip + 1) * 4096))
  assert.deepEqual(
    site.requests.filter((line) => line.startsWith('GET /files/big')),
    ['GET /files/big 262144'],
  )
})

test(
  'a file that is replaced while it is read fails with ESTALE rather than mixing versions',
  needsRoot,
  async (t) => {
    const site = await Site.start(t)
    const mountpoint = mountPointIn(t)
    const http = await startExample(t, 'http', site.url, mountpoint)
    assert.equal((await run('stat', join(mountpoint, 'big'))).status, 0)
    site.version = 2
    assert.match((await run('cat', join(mountpoint, 'big'))).errors, /Stale file handle/)
    // Not a fault of the example, and no line of it.
    http.process.kill('SIGTERM')
    assert.equal((await http.ended).stderr, '')
  },
)

test('without ranges there is an error, not a file that is wrong', needsRoot, async (t) => {
  const site = await Site.start(t)
  site.ranges = false
  const mountpoint = mountPointIn(t)
  await startExample(t, 'http', site.url, mountpoint)
  assert.match((await run('cat', join(mountpoint, 'big'))).errors, /not supported/)
})

test('Ctrl-C ends who waits for a listing, and the request to the server', needsRoot, async (t) => {
  const site = await Site.start(t)
  const mountpoint = mountPointIn(t)
  await startExample(t, 'http', site.url, mountpoint)
  const slow = site.stall('/files/slow/')
  const { child, ended } = start(t, 'ls', join(mountpoint, 'slow'))
  await slow.arrived
  child.kill('SIGINT')
  assert.equal(await ended, 'SIGINT')
  await slow.gone
})

test('Ctrl-C ends who waits for bytes, while other files are read', needsRoot, async (t) => {
  const site = await Site.start(t)
  const mountpoint = mountPointIn(t)
  await startExample(t, 'http', site.url, mountpoint)
  const slow = site.stall('/files/big 0')
  const { child, ended } = start(t, 'cat', `${mountpoint}/big`)
  await slow.arrived
  assert.equal((await run('cat', join(mountpoint, 'a&b'))).output.toString(), 'a and b\n')
  child.kill('SIGINT')
  assert.equal(await ended, 'SIGINT')
})

interface Cache {
  read(
    key: string,
    start: number,
    end: number,
    signal: AbortSignal,
    load: (start: number, length: number, signal: AbortSignal) => Promise<Uint8Array>,
  ): Promise<Buffer>
}

async function cacheOf(bytes: number): Promise<Cache> {
  const path = new URL('./examples/block-cache.js', import.meta.url).href
  const { BlockCache } = (await import(path)) as { BlockCache: new (bytes: number) => Cache }
  return new BlockCache(bytes)
}

test('a block that several want is loaded once, and given up when the last of them is interrupted', async () => {
  const cache = await cacheOf(1 << 20)
  const signals: AbortSignal[] = []
  const load = (_start: number, _length: number, signal: AbortSignal) => {
    signals.push(signal)
    return new Promise<Uint8Array>((_, reject) =>
      signal.addEventListener('abort', () => reject(signal.reason)),
    )
  }
  const [first, second] = [new AbortController(), new AbortController()]
  const reads = [first, second].map(({ signal }) => cache.read('file', 0, 10, signal, load))
  first.abort()
  await assert.rejects(reads[0], { name: 'AbortError' })
  assert.equal(signals.length, 1)
  assert.equal(signals[0].aborted, false)
  second.abort()
  await assert.rejects(reads[1], { name: 'AbortError' })
  assert.equal(signals[0].aborted, true)
  const again = await cache.read('file', 1, 3, new AbortController().signal, async () => Buffer.from('abcd'))
  assert.equal(again.toString(), 'bc')
})

test('the cache keeps no more than it may, the last used the longest', async () => {
  const block = 1 << 18
  const cache = await cacheOf(2 * block)
  const loaded: number[] = []
  const read = (index: number) =>
    cache.read('file', index * block, index * block + 1, new AbortController().signal, async (start) => {
      loaded.push(start / block)
      return Buffer.alloc(block)
    })
  for (const index of [0, 1, 0, 2, 0, 1]) await read(index)
  assert.deepEqual(loaded, [0, 1, 2, 1])
})

test('a load that failed is tried again', async () => {
  const cache = await cacheOf(1 << 20)
  const { signal } = new AbortController()
  await assert.rejects(
    cache.read('file', 0, 1, signal, () => Promise.reject(new Error('once'))),
    /once/,
  )
  assert.equal((await cache.read('file', 0, 1, signal, async () => Buffer.from('x'))).toString(), 'x')
})
