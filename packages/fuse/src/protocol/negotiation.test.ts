// What is agreed with kernels from 7.31 to 7.45 and beyond, and that requests are then decoded in the layout agreed on.
// A socket pair stands for /dev/fuse: this test is the kernel.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { checked, type FuseError } from '../errors.js'
import type { Filesystem } from '../filesystem.js'
import { constants, errno, native, sys } from '../native.js'
import type { Features } from '../session/negotiate.js'
import { Session } from '../session/session.js'
import { InitFlag as F, InitFlag2 as F2, Opcode } from './constants.js'

/** Keeps messages apart, as the device does (linux/socket.h). */
const SOCK_SEQPACKET = 5
/** asm-generic/ioctls.h */
const FIONREAD = 0x541b

const EVERYTHING: Features = {
  writebackCache: true,
  posixAcl: true,
  handleKillPriv: true,
  dontMask: true,
  atomicTruncate: true,
  securityContexts: true,
  supplementaryGroup: true,
  kernelPassthrough: true,
  idmap: true,
  requestTimeout: 77,
}

class Kernel {
  readonly #fd: number
  #unique = 2n
  constructor(fd: number) {
    this.#fd = fd
  }
  send(opcode: number, payload: Uint8Array): void {
    const request = Buffer.alloc(40 + payload.length)
    request.writeUInt32LE(request.length, 0)
    request.writeUInt32LE(opcode, 4)
    request.writeBigUInt64LE(this.#unique, 8)
    request.writeBigUInt64LE(1n, 16)
    request.set(payload, 40)
    checked(native.syscall(sys.write, this.#fd, native.address(request), request.length))
  }
  /** The next reply. */
  async receive(): Promise<{ error: number; payload: Buffer }> {
    const reply = Buffer.alloc(1 << 16)
    for (;;) {
      const length = native.syscall(sys.read, this.#fd, native.address(reply), reply.length)
      if (length === -errno.EAGAIN) {
        await new Promise((resolve) => setImmediate(resolve))
        continue
      }
      checked(length)
      assert.equal(reply.readUInt32LE(0), length)
      assert.equal(reply.readBigUInt64LE(8), this.#unique)
      this.#unique += 2n
      return { error: Math.abs(reply.readInt32LE(4)), payload: reply.subarray(16, length) }
    }
  }
  init(minor: number, flags: number, flags2: number, major = 7): void {
    const payload = Buffer.alloc(minor >= 36 ? 64 : 16)
    payload.writeUInt32LE(major, 0)
    payload.writeUInt32LE(minor, 4)
    payload.writeUInt32LE(131072, 8)
    payload.writeUInt32LE(flags >>> 0, 12)
    if (payload.length > 16) payload.writeUInt32LE(flags2, 16)
    this.send(Opcode.INIT, payload)
  }
  /** Ends the connection: closing with a reply unread is an error for the other side. */
  async end(): Promise<void> {
    this.send(Opcode.STATFS, Buffer.alloc(0))
    const unread = new Int32Array(1)
    while (unread[0] === 0) {
      await new Promise((resolve) => setImmediate(resolve))
      checked(native.syscall(sys.ioctl, this.#fd, FIONREAD, native.address(new Uint8Array(unread.buffer))))
    }
    native.syscall(sys.close, this.#fd)
  }
}

function connect(t: TestContext, filesystem: Filesystem, features: Features) {
  const fds = new Int32Array(2)
  const type = SOCK_SEQPACKET | constants.SOCK_CLOEXEC | constants.O_NONBLOCK
  checked(
    native.syscall(sys.socketpair, constants.AF_UNIX, type, 0, native.address(new Uint8Array(fds.buffer))),
  )
  const session = new Session(filesystem, fds[0], { features, log: () => {} })
  const kernel = new Kernel(fds[1])
  const started = session.start()
  started.catch(() => {})
  t.after(async () => {
    await kernel.end()
    await session.closed
    native.syscall(sys.close, fds[0])
  })
  return { session, kernel, started }
}

interface Agreed {
  major: number
  minor: number
  readahead: number
  flags: number
  flags2: number
  stackDepth: number
  timeout: number
}
function agreed(payload: Buffer): Agreed {
  assert.equal(payload.length, 64)
  const word = (at: number) => payload.readUInt32LE(at)
  return {
    ...{ major: word(0), minor: word(4), readahead: word(8), flags: word(12), flags2: word(32) },
    ...{ stackDepth: word(36), timeout: payload.readUInt16LE(40) },
  }
}

for (let offered = 31; offered <= 46; offered++)
  for (const wanted of [undefined, 31, 38])
    test(`a kernel of 7.${offered}${wanted ? `, asked for 7.${wanted}` : ''}`, async (t) => {
      const values: string[] = []
      const filesystem: Filesystem = {
        setxattr: (request) => void values.push(`${request.name} ${request.value} ${request.killSetGid}`),
      }
      const { session, kernel, started } = connect(t, filesystem, { ...EVERYTHING, minor: wanted })
      kernel.init(offered, 0xffffffff, 0xffffffff)
      const { error, payload } = await kernel.receive()
      await started
      assert.equal(error, 0)
      const { major, minor, flags, flags2, readahead } = agreed(payload)
      assert.deepEqual([major, minor], [7, Math.min(offered, wanted ?? 45, 45)])
      assert.equal(session.agreed?.minor, minor)
      assert.ok(readahead <= 131072)
      assert.equal((flags & F.INIT_EXT) !== 0, minor >= 36)
      if (minor < 36) assert.equal(flags2, 0)
      const never = F.MAP_ALIGNMENT | F.SUBMOUNTS | F.FILE_OPS | (1 << 31)
      assert.equal(flags & never, 0)
      assert.equal(flags2 & F2.HAS_INODE_DAX, 0)

      const extended = minor >= 33
      assert.equal((flags & F.SETXATTR_EXT) !== 0, extended)
      const value = Buffer.alloc(extended ? 16 : 8)
      value.writeUInt32LE(3, 0)
      if (extended) value.writeUInt32LE(1, 8)
      kernel.send(Opcode.SETXATTR, Buffer.concat([value, Buffer.from('user.name\0abc')]))
      assert.equal((await kernel.receive()).error, 0)
      assert.deepEqual(values, [`user.name abc ${extended}`])
    })

test('only what the kernel offers is asked for', async (t) => {
  for (const [flags, flags2] of [
    [0, 0],
    [F.INIT_EXT | F.BIG_WRITES, 0],
    [F.INIT_EXT, F2.PASSTHROUGH],
    [0x15555555 | F.INIT_EXT, 0x555],
    [0x2aaaaaaa | F.INIT_EXT, 0x2aa],
  ]) {
    const { kernel } = connect(t, {}, { ...EVERYTHING, writebackCache: false })
    kernel.init(45, flags, flags2)
    const reply = agreed((await kernel.receive()).payload)
    assert.equal(reply.flags & ~flags, 0)
    assert.equal(reply.flags2 & ~flags2, 0)
    assert.equal(reply.stackDepth > 0, (reply.flags2 & F2.PASSTHROUGH) !== 0)
    assert.equal(reply.timeout > 0, (reply.flags2 & F2.REQUEST_TIMEOUT) !== 0)
  }
})

test('flags2 without INIT_EXT is not believed', async (t) => {
  const { kernel } = connect(t, {}, EVERYTHING)
  kernel.init(45, 0xffffffff & ~F.INIT_EXT, 0xffffffff)
  const { flags, flags2 } = agreed((await kernel.receive()).payload)
  assert.deepEqual([flags & F.INIT_EXT, flags2], [0, 0])
})

test('a kernel older than 7.31 is refused', async (t) => {
  const { kernel, started } = connect(t, {}, {})
  kernel.init(30, 0xffffffff, 0)
  assert.equal((await kernel.receive()).error, errno.EPROTO)
  await assert.rejects(started, (error: FuseError) => error.code === 'FUSE_PROTOCOL')
})

test('a newer major version is told ours, and asks again', async (t) => {
  const { session, kernel, started } = connect(t, {}, {})
  kernel.init(3, 0, 0, 8)
  const { error, payload } = await kernel.receive()
  assert.deepEqual([error, payload.readUInt32LE(0)], [0, 7])
  kernel.init(45, 0x73fffffb, 0x5fd)
  await kernel.receive()
  await started
  assert.equal(session.agreed?.minor, 45)
})
