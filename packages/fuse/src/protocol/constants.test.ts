// Every number of the protocol against those that a C compiler found in the uapi header.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as p from './constants.js'
import { made } from './frames.test.util.js'

const { constants, sizes } = made()

function prefixed(prefix: string, values: Record<string, number>, shift = 0n): [string, bigint][] {
  return Object.entries(values).map(([name, value]) => [prefix + name, BigInt(value >>> 0) << shift])
}

const ours = new Map<string, bigint>([
  ...prefixed('FUSE_', p.Opcode),
  ...prefixed('FUSE_', p.InitFlag),
  ...prefixed('FUSE_', p.InitFlag2, 32n),
  ...prefixed('FOPEN_', p.OpenFlag),
  ...prefixed('FATTR_', p.SetattrValid),
  ...prefixed('FUSE_WRITE_', p.WriteFlag),
  ...prefixed('FUSE_RELEASE_', p.ReleaseFlag),
  ...prefixed('FUSE_NOTIFY_', p.Notification),
  ...prefixed('FUSE_DEV_IOC_', p.DeviceIoctl),
  ...prefixed('FUSE_IOCTL_', p.IoctlFlag).map(
    ([name, value]) => [name.replace('IS_32BIT', '32BIT'), value] as [string, bigint],
  ),
  ['FUSE_KERNEL_VERSION', BigInt(p.KERNEL_VERSION)],
  ['FUSE_KERNEL_MINOR_VERSION', BigInt(p.KERNEL_MINOR)],
  ['FUSE_ROOT_ID', BigInt(p.ROOT_ID)],
  ['FUSE_OPEN_KILL_SUIDGID', BigInt(p.OPEN_KILL_SUIDGID)],
  ['FUSE_GETATTR_FH', BigInt(p.GETATTR_FH)],
  ['FUSE_FSYNC_FDATASYNC', BigInt(p.FSYNC_DATASYNC)],
  ['FUSE_LK_FLOCK', BigInt(p.LOCK_FLOCK)],
  ['FUSE_SETXATTR_ACL_KILL_SGID', BigInt(p.SETXATTR_ACL_KILL_SGID)],
  ['FUSE_POLL_SCHEDULE_NOTIFY', BigInt(p.POLL_SCHEDULE_NOTIFY)],
  ['FUSE_EXPIRE_ONLY', BigInt(p.ENTRY_EXPIRE_ONLY)],
  ['FUSE_MAX_NR_SECCTX', BigInt(p.EXTENSION_SECURITY_CONTEXTS_MAX)],
  ['FUSE_EXT_GROUPS', BigInt(p.EXTENSION_GROUPS)],
  ['FUSE_MIN_READ_BUFFER', BigInt(p.MIN_READ_BUFFER)],
])

/** What the header has and this server has no use for. */
const unused = [
  /^FUSE_COMPAT_/, // minors below 31
  /SETUPMAPPING|REMOVEMAPPING|^FUSE_ATTR_DAX$/, // DAX
  /^FUSE_INIT_(RESERVED|BSWAP_RESERVED)$/,
  /^FUSE_(DIRECT_IO_RELAX|WRITE_KILL_PRIV)$/, // former names
  /URING_(CMD|IN_OUT|OP_IN_OUT)/,
  /^FUSE_DEV_IOC_MAGIC$/, // part of DeviceIoctl's numbers
  /^FUSE_IOCTL_MAX_IOV$/, // unrestricted ioctls are CUSE's
  /^FUSE_READ_LOCKOWNER$/, // implied by a lock owner that is not 0
  /^FUSE_ATTR_SUBMOUNT$/, // without SUBMOUNTS
  /^FUSE_UNIQUE_RESEND$/, // bit 63 of the unique, which is opaque here
  /^FUSE_INVALID_UIDGID$/,
  /^FUSE_NAME_OFFSET/,
]

test('every number is the header’s', () => {
  for (const [name, value] of ours) {
    assert.ok(name in constants, `the header has no ${name}`)
    assert.equal(BigInt.asUintN(64, BigInt(constants[name])), value, name)
  }
})

test('no number of the header is missing', () => {
  const missing = Object.keys(constants).filter(
    (name) => !ours.has(name) && !unused.some((pattern) => pattern.test(name)),
  )
  assert.deepEqual(missing, [])
})

test('sizes are those of the structures', () => {
  assert.equal(p.IN_HEADER_SIZE, sizes.fuse_in_header)
  assert.equal(p.OUT_HEADER_SIZE, sizes.fuse_out_header)
  assert.equal(p.WRITE_IN_SIZE, sizes.fuse_write_in)
  assert.equal(p.ENTRY_OUT_SIZE, sizes.fuse_entry_out)
  assert.equal(p.ATTR_OUT_SIZE, sizes.fuse_attr_out)
  assert.equal(p.ATTR_SIZE, sizes.fuse_attr)
  assert.equal(p.OPEN_OUT_SIZE, sizes.fuse_open_out)
})

test('operation names by number', () => {
  for (const [name, value] of Object.entries(p.Opcode)) assert.equal(p.opcodeNames[value], name)
  assert.equal(p.opcodeNames[7], undefined)
})
