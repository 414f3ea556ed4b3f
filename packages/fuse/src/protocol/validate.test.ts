import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Opcode } from './constants.js'
import { load, made } from './frames.test.util.js'
import { Message } from './message.js'
import { validateRequest } from './validate.js'

const { frames, sizes } = made()
const requests = frames.filter(({ kind }) => kind === 'request')
const message = new Message(1 << 16)

function validate(request: Buffer, extended = true): string | undefined {
  load(message, request)
  return validateRequest(message, extended)
}

test('a request cut anywhere is refused, whatever its header says', () => {
  for (const { operation, variant, extensions, hex } of requests) {
    const whole = Buffer.from(hex, 'hex')
    const extended = variant !== 'short'
    assert.equal(validate(whole, extended), undefined, `${operation}, ${variant}`)
    for (let length = 0; length < whole.length; length++) {
      const cut = Buffer.from(whole.subarray(0, length))
      assert.ok(
        validate(cut, extended),
        `${operation}, ${variant}: ${length} bytes, header says ${whole.length}`,
      )
      if (length < sizes.fuse_in_header || extensions) continue
      // INIT's second half came with minor 36.
      if (operation === 'INIT' && length >= 56) continue
      cut.writeUInt32LE(length, 0)
      assert.ok(validate(cut, extended), `${operation}, ${variant}: ${length} bytes`)
    }
  }
})

test('the fixed arguments of an operation have their structure’s size', () => {
  const structure: Record<string, number> = {
    FORGET: sizes.fuse_forget_in,
    GETATTR: sizes.fuse_getattr_in,
    SETATTR: sizes.fuse_setattr_in,
    OPEN: sizes.fuse_open_in,
    READ: sizes.fuse_read_in,
    WRITE: sizes.fuse_write_in,
    RELEASE: sizes.fuse_release_in,
    FSYNC: sizes.fuse_fsync_in,
    LISTXATTR: sizes.fuse_getxattr_in,
    FLUSH: sizes.fuse_flush_in,
    OPENDIR: sizes.fuse_open_in,
    READDIR: sizes.fuse_read_in,
    RELEASEDIR: sizes.fuse_release_in,
    FSYNCDIR: sizes.fuse_fsync_in,
    GETLK: sizes.fuse_lk_in,
    SETLK: sizes.fuse_lk_in,
    SETLKW: sizes.fuse_lk_in,
    ACCESS: sizes.fuse_access_in,
    INTERRUPT: sizes.fuse_interrupt_in,
    BMAP: sizes.fuse_bmap_in,
    IOCTL: sizes.fuse_ioctl_in,
    POLL: sizes.fuse_poll_in,
    NOTIFY_REPLY: sizes.fuse_notify_retrieve_in,
    BATCH_FORGET: sizes.fuse_batch_forget_in,
    FALLOCATE: sizes.fuse_fallocate_in,
    READDIRPLUS: sizes.fuse_read_in,
    LSEEK: sizes.fuse_lseek_in,
    COPY_FILE_RANGE: sizes.fuse_copy_file_range_in,
    SYNCFS: sizes.fuse_syncfs_in,
    STATX: sizes.fuse_statx_in,
    COPY_FILE_RANGE_64: sizes.fuse_copy_file_range_in,
    READLINK: 0,
    STATFS: 0,
    DESTROY: 0,
  }
  for (const [operation, size] of Object.entries(structure)) {
    const request = Buffer.alloc(40 + size)
    request.writeUInt32LE(request.length, 0)
    request.writeUInt32LE(Opcode[operation as keyof typeof Opcode], 4)
    assert.equal(validate(request), undefined, operation)
  }
})

test('the shortest names are enough', () => {
  const structure: Record<string, [size: number, names: number]> = {
    LOOKUP: [0, 1],
    UNLINK: [0, 1],
    RMDIR: [0, 1],
    REMOVEXATTR: [0, 1],
    SYMLINK: [0, 2],
    MKNOD: [sizes.fuse_mknod_in, 1],
    MKDIR: [sizes.fuse_mkdir_in, 1],
    RENAME: [sizes.fuse_rename_in, 2],
    RENAME2: [sizes.fuse_rename2_in, 2],
    LINK: [sizes.fuse_link_in, 1],
    CREATE: [sizes.fuse_create_in, 1],
    TMPFILE: [sizes.fuse_create_in, 1],
    SETXATTR: [sizes.fuse_setxattr_in, 1],
    GETXATTR: [sizes.fuse_getxattr_in, 1],
  }
  for (const [operation, [size, names]] of Object.entries(structure)) {
    const request = Buffer.concat([Buffer.alloc(40 + size), Buffer.from('n\0'.repeat(names))])
    request.writeUInt32LE(request.length, 0)
    request.writeUInt32LE(Opcode[operation as keyof typeof Opcode], 4)
    assert.equal(validate(request), undefined, operation)
  }
})

test('unknown operations pass: they are answered ENOSYS', () => {
  for (const opcode of [0, 7, 19, 48, 49, 54, 63, 64, 4096, 0xffffffff]) {
    const request = Buffer.alloc(40)
    request.writeUInt32LE(40, 0)
    request.writeUInt32LE(opcode, 4)
    assert.equal(validate(request), undefined, `${opcode}`)
    request.writeUInt16LE(1, 36)
    assert.ok(validate(request), `${opcode} with extensions that are not there`)
  }
})

test('counts that would overflow', () => {
  const fields: [string, number][] = [
    ['BATCH_FORGET', 40],
    ['WRITE', 56],
    ['SETXATTR', 40],
    ['IOCTL', 64],
    ['NOTIFY_REPLY', 56],
  ]
  for (const [operation, at] of fields)
    for (const count of [0xffffffff, 0x80000000, 0x10000001, 0x7fffffff, 5000]) {
      const { hex } = requests.find((frame) => frame.operation === operation) as { hex: string }
      const request = Buffer.from(hex, 'hex')
      request.writeUInt32LE(count, at)
      assert.ok(validate(request), `${operation} of ${count}`)
    }
})

test('a name may not end within the extensions', () => {
  const { hex, fields } = requests.find(
    ({ operation, extensions }) => operation === 'MKDIR' && extensions,
  ) as {
    hex: string
    fields: Record<string, string>
  }
  const request = Buffer.from(hex, 'hex')
  request[48 + fields.name.length / 2] = 0x78
  assert.ok(validate(request))
})
