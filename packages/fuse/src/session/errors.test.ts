// What callers see of handlers that fail, and of operations that are missing.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { findMount } from '../device/index.js'
import { mountPointIn, needsRoot } from '../device/isolation.test.support.js'
import { FilesystemError } from '../errors.js'
import type { Filesystem, Result } from '../filesystem.js'
import { mount } from '../mount.js'
import { OpenFlag, type ReadReply, type ReadRequest } from '../protocol/index.js'
import { flat, serveFilesystem, startClient, until } from './serve.test.support.js'

type Read = (request: ReadRequest, reply: ReadReply) => Result

/** Reads by name: what the handler does, what the caller sees, and what the log must say. */
const reads: Record<string, [Read, string, RegExp?]> = {
  own: [() => thrown(new FilesystemError('ENOKEY')), 'ENOKEY'],
  number: [() => thrown(new FilesystemError(122)), 'EDQUOT'],
  outOfRange: [() => thrown(new FilesystemError(512)), 'EIO', /READ of node \d+ failed/],
  zero: [() => thrown(new FilesystemError(0)), 'EIO', /READ/],
  system: [() => void readFileSync('/does/not/exist'), 'ENOENT'],
  other: [() => thrown(new TypeError('a bug')), 'EIO', /READ of node \d+ failed: TypeError: a bug/],
  undefined: [() => thrown(undefined), 'EIO', /READ/],
  text: [() => thrown('text'), 'EIO', /failed: text/],
  symbol: [() => thrown(Symbol('odd')), 'EIO', /failed: Symbol\(odd\)/],
  withoutText: [() => thrown(Object.create(null)), 'EIO', /READ/],
  hostile: [
    () =>
      thrown({
        get stack() {
          throw new Error('no')
        },
      }),
    'EIO',
    /cannot be shown/,
  ],
  rejectedSymbol: [() => Promise.reject(Symbol('odd')), 'EIO', /Symbol/],
  notANodeError: [() => thrown(Object.assign(new Error('x'), { code: 'ENOENT' })), 'EIO', /x/],
  rejected: [async () => thrown(new FilesystemError('ESTALE')), 'ESTALE'],
  rejectedOther: [async () => thrown(new Error('later')), 'EIO', /later/],
  rejectedUndefined: [() => Promise.reject(), 'EIO', /READ/],
  abortedByItself: [() => Promise.reject(AbortSignal.abort().reason), 'EIO', /Abort/],
  failed: [(_, reply) => reply.fail(13), 'EACCES'],
  filledThenThrown: [
    (_, reply) => {
      reply.data(Buffer.alloc(100_000))
      thrown(new FilesystemError('EXDEV'))
    },
    'EXDEV',
  ],
  rangeThenRejected: [
    async (_, reply) => {
      reply.descriptor(0, 0, 10)
      thrown(new FilesystemError('EXDEV'))
    },
    'EXDEV',
  ],
  tooLong: [(request, reply) => reply.inPlace(request.size + 1), 'EIO', /refused a reply/],
  noBuffer: [(_, reply) => reply.data([new Uint16Array(3) as never]), 'EIO', /refused a reply/],
  noBufferAmongMany: [
    (_, reply) => reply.data([...Array.from({ length: 1500 }, () => Buffer.alloc(8)), 'text' as never]),
    'EIO',
    /must be an instance of Buffer/,
  ],
  noBufferAmongManyLater: [
    async (_, reply) => reply.data([...Array.from({ length: 1500 }, () => Buffer.alloc(8)), 'text' as never]),
    'EIO',
    /must be an instance of Buffer/,
  ],
  badDescriptor: [(_, reply) => reply.descriptor(-2 >>> 1, 0, 10), 'EBADF'],
  badDescriptorAside: [(_, reply) => reply.descriptor(1 << 29, 0, 10, 2), 'EBADF'],
  twice: [
    () =>
      ({
        // biome-ignore lint/suspicious/noThenProperty: a promise of somebody else's
        then: (resolve: () => void, reject: (error: unknown) => void) => {
          resolve()
          resolve()
          reject(new FilesystemError('EXDEV'))
        },
      }) as PromiseLike<void>,
    '',
  ],
}

function thrown(error: unknown): never {
  throw error
}

test(
  'each failure of a handler has its errno, and what is unexpected a line in the log',
  needsRoot,
  async (t) => {
    const names = Object.keys(reads)
    const filesystem = flat(Object.fromEntries(names.map((name) => [name, { size: 100 }])), {
      open(request, reply) {
        reply.fh = request.nodeId
        reply.flags = OpenFlag.DIRECT_IO
      },
      read: (request, reply) => reads[names[request.nodeId - 2]][0](request, reply),
    })
    const { path, mounted, log } = await serveFilesystem(t, filesystem)
    const client = await startClient(t)
    for (const name of names) {
      const [, code, line] = reads[name]
      log.length = 0
      const seen = await client.run(
        ({ failure, fs }, file) => failure(() => fs.readFileSync(file)),
        `${path}/${name}`,
      )
      assert.equal(seen, code, name)
      assert.equal(log.length, line ? 1 : 0, `${name}: ${log}`)
      if (line) assert.match(log[0], line)
    }
    assert.equal(mounted.session.inFlight, 0)
  },
)

test('operations that are missing', needsRoot, async (t) => {
  const filesystem = flat({ file: { data: Buffer.from('text') } }, { open: undefined })
  const { path, mounted } = await serveFilesystem(t, filesystem)
  const client = await startClient(t)
  const result = await client.run(({ fs, failure, cString, sys, native }, root) => {
    const file = `${root}/file`
    const name = cString('user.a')
    const text = fs.readFileSync(file, 'latin1')
    const fd = fs.openSync(file, 'r+')
    fs.fsyncSync(fd)
    fs.closeSync(fd)
    fs.accessSync(file, fs.constants.R_OK)
    fs.closeSync(fs.openSync(root, 'r'))
    const statfs = fs.statfsSync(root)
    return {
      text,
      statfs: { ...statfs },
      getxattr: native.syscall(sys.getxattr, native.address(cString(file)), native.address(name), 0, 0),
      readdir: failure(() => fs.readdirSync(root)),
      mkdir: failure(() => fs.mkdirSync(`${root}/d`)),
      unlink: failure(() => fs.unlinkSync(file)),
      write: failure(() => fs.appendFileSync(file, 'x')),
      readlink: failure(() => fs.readlinkSync(file)),
    }
  }, path)
  assert.equal(result.text, 'text')
  assert.deepEqual({ bsize: result.statfs.bsize, blocks: result.statfs.blocks }, { bsize: 4096, blocks: 0 })
  assert.equal(result.getxattr, -95)
  assert.deepEqual([result.mkdir, result.unlink, result.readdir], ['ENOSYS', 'ENOSYS', 'ENOSYS'])
  assert.equal(result.readlink, 'EINVAL')
  const counted = (operation: string) =>
    mounted.session.statistics.snapshot().find((row) => row.operation === operation)?.count ?? 0
  const before = ['open', 'opendir', 'access', 'flush', 'fsync', 'getxattr'].map(counted)
  await client.run(({ fs, cString, sys, native }, root) => {
    const name = cString('user.a')
    const file = cString(`${root}/file`)
    for (let n = 0; n < 3; n++) {
      const fd = fs.openSync(`${root}/file`, 'r+')
      fs.fsyncSync(fd)
      fs.closeSync(fd)
      fs.accessSync(`${root}/file`, fs.constants.R_OK)
      fs.closeSync(fs.openSync(root, 'r'))
      native.syscall(sys.getxattr, native.address(file), native.address(name), 0, 0)
    }
  }, path)
  const after = ['open', 'opendir', 'access', 'flush', 'fsync', 'getxattr'].map(counted)
  assert.deepEqual(after, before, 'the kernel asks once')
  assert.deepEqual(before, [1, 1, 1, 1, 1, 1])
})

test('a file system that fails to begin leaves no mount', needsRoot, async (t) => {
  const path = mountPointIn(t)
  const log: string[] = []
  const options = { log: (_: string, message: string) => void log.push(message) }
  const destroyed: string[] = []
  const failing: Filesystem = {
    ...flat({}),
    init: () => thrown(new Error('cannot begin')),
    destroy: () => void destroyed.push('destroyed'),
  }
  await assert.rejects(mount(failing, path, options), /cannot begin/)
  assert.equal(findMount(path), undefined)
  assert.deepEqual(destroyed, ['destroyed'])
  await assert.rejects(mount(flat({}), path, { ...options, features: { minor: 30 } }), {
    code: 'FUSE_OPTION',
  })
  assert.equal(findMount(path), undefined)
  const rootless = flat({}, { getattr: () => thrown(new FilesystemError('EIO')) })
  await assert.rejects(mount(rootless, path, options), { code: 'FUSE_MOUNT' })
  assert.equal(findMount(path), undefined)
  assert.deepEqual(log, [])
})

test('failures that nobody waits for are lines in the log', needsRoot, async (t) => {
  const filesystem = flat(
    { file: { size: 10 } },
    {
      forget: () => thrown(new Error('forget')),
      destroy: async () => thrown(new Error('destroy')),
      read(_request, reply) {
        reply.data('0123456789')
        reply.onSent(() => thrown(new Error('onSent')))
      },
      release: async () => thrown(new Error('release')),
    },
    0,
  )
  const { path, mounted, log } = await serveFilesystem(t, filesystem)
  const client = await startClient(t)
  assert.equal(
    await client.run(({ fs }, file) => fs.readFileSync(file, 'latin1'), `${path}/file`),
    '0123456789',
  )
  await client.run(({ forgetUnused }, mountpoint) => forgetUnused(mountpoint), path)
  await until(t, () => log.some((line) => /forget/.test(line)))
  await mounted.unmount()
  await mounted.closed
  for (const what of ['forget failed', 'onSent failed', 'destroy failed', 'RELEASE of node 2 failed'])
    assert.ok(
      log.some((line) => line.includes(what)),
      `${what}: ${log}`,
    )
})
