import { IN_HEADER_SIZE, Opcode } from './constants.js'
import { findNul } from './find-nul.js'
import type { Message } from './message.js'

/** By opcode: 0 where it is unknown, else one more than the bytes of the fixed arguments; and the names that follow. */
const fixedSizes = new Uint8Array(256)
const nameCounts = new Uint8Array(256)
function shape(opcodes: number[], fixed: number, names = 0): void {
  for (const opcode of opcodes) {
    fixedSizes[opcode] = fixed + 1
    nameCounts[opcode] = names
  }
}
const O = Opcode
shape([O.READLINK, O.STATFS, O.DESTROY], 0)
shape([O.LOOKUP, O.UNLINK, O.RMDIR, O.REMOVEXATTR], 0, 1)
shape([O.SYMLINK], 0, 2)
shape([O.FORGET, O.ACCESS, O.INTERRUPT, O.LISTXATTR, O.BATCH_FORGET, O.SYNCFS], 8)
shape([O.OPEN, O.OPENDIR], 8)
shape([O.GETATTR, O.FSYNC, O.FSYNCDIR, O.BMAP, O.INIT], 16)
shape([O.SETATTR], 88)
shape([O.MKNOD, O.CREATE, O.TMPFILE], 16, 1)
shape([O.MKDIR, O.LINK, O.GETXATTR, O.SETXATTR], 8, 1)
shape([O.RENAME], 8, 2)
shape([O.RENAME2], 16, 2)
shape([O.READ, O.WRITE, O.READDIR, O.READDIRPLUS, O.NOTIFY_REPLY], 40)
shape([O.RELEASE, O.RELEASEDIR, O.FLUSH, O.POLL, O.LSEEK, O.STATX], 24)
shape([O.GETLK, O.SETLK, O.SETLKW], 48)
shape([O.IOCTL, O.FALLOCATE], 32)
shape([O.COPY_FILE_RANGE, O.COPY_FILE_RANGE_64], 56)

/**
 * Whether a request's lengths hold together: the header's own, the fixed arguments', each name's NUL, and the data's.
 * Returns what is wrong, or undefined. An operation that is unknown here passes: it is answered ENOSYS.
 * @param extendedSetxattr whether SETXATTR_EXT was agreed
 */
export function validateRequest(message: Message, extendedSetxattr: boolean): string | undefined {
  const { input, inputBytes, length } = message
  if (length < IN_HEADER_SIZE) return `a request of ${length} bytes is shorter than its header`
  if (input[0] !== length) return `the header says ${input[0]} bytes, ${length} were read`
  const extensions = (input[9] & 0xffff) * 8
  const end = length - extensions
  const fixed = fixedSizes[input[1]]
  if (!fixed) return end < IN_HEADER_SIZE ? 'extensions are longer than the request' : undefined
  let at = IN_HEADER_SIZE + fixed - 1
  if (input[1] === Opcode.SETXATTR && extendedSetxattr) at += 8
  if (end < at) return `${end} bytes where at least ${at} are needed`
  for (let left = nameCounts[input[1]]; left > 0; left--) {
    const nul = findNul(inputBytes, at, end)
    if (nul === end) return 'a name has no end'
    at = nul + 1
  }
  const data = dataSize(message)
  if (data > end - at) return `${data} bytes of data announced, ${end - at} sent`
  return undefined
}

function dataSize({ input }: Message): number {
  switch (input[1]) {
    case Opcode.WRITE:
      return input[14]
    case Opcode.SETXATTR:
      return input[10]
    case Opcode.IOCTL:
      return input[16]
    case Opcode.BATCH_FORGET:
      return input[10] * 16
    case Opcode.NOTIFY_REPLY:
      return input[14]
    default:
      return 0
  }
}
