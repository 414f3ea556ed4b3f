import { errno } from '../native.js'
import { GETATTR_FH, type Message, Opcode, OpenReply, OUT_HEADER_SIZE, PAYLOAD } from '../protocol/index.js'

/** Who may use a mount besides its owner, where the kernel lets everyone in (allow_root, or a descriptor mounted by others). */
export interface AccessRule {
  /** The user who may do everything. */
  uid: number
  /** Whether root may too. */
  allowRoot: boolean
}

const O = Opcode
/** Operations on what is open already, or without a caller: whoever holds the descriptor may use it, as everywhere. */
const exempt = new Uint8Array(256)
for (const opcode of [
  O.INIT,
  O.DESTROY,
  O.FORGET,
  O.BATCH_FORGET,
  O.INTERRUPT,
  O.NOTIFY_REPLY,
  O.READ,
  O.WRITE,
  O.RELEASE,
  O.FSYNC,
  O.FLUSH,
  O.READDIR,
  O.READDIRPLUS,
  O.RELEASEDIR,
  O.FSYNCDIR,
  O.LSEEK,
  O.GETLK,
  O.SETLK,
  O.SETLKW,
  O.POLL,
  O.FALLOCATE,
  O.COPY_FILE_RANGE,
  O.COPY_FILE_RANGE_64,
  O.SYNCFS,
])
  exempt[opcode] = 1

export function allowed(rule: AccessRule, message: Message): boolean {
  const { input } = message
  const uid = input[6]
  if (uid === rule.uid || (rule.allowRoot && uid === 0) || exempt[input[1]] === 1) return true
  // A read asks for the size first; fstat(2), which names no handle, is refused as by the kernel.
  return input[1] === O.GETATTR && (input[10] & GETATTR_FH) !== 0
}

const NOT_IMPLEMENTED = -errno.ENOSYS >>> 0

/**
 * Takes out of a reply what would let the kernel answer others by itself: timeouts, since cached names and attributes are
 * shown to whoever wants them, and ENOSYS to what opens, which the kernel would remember and never ask again.
 */
export function guardReply(message: Message): void {
  const { output, opcode } = message
  if (message.failed) {
    if (output[1] === NOT_IMPLEMENTED && (opcode === O.OPEN || opcode === O.OPENDIR || opcode === O.ACCESS))
      succeedEmpty(message, opcode === O.ACCESS ? 0 : OpenReply.size)
    return
  }
  switch (opcode) {
    case O.LOOKUP:
    case O.SYMLINK:
    case O.MKNOD:
    case O.MKDIR:
    case O.LINK:
    case O.CREATE:
    case O.TMPFILE:
      output.fill(0, 8, 14)
      break
    case O.GETATTR:
    case O.SETATTR:
    case O.STATX:
      output.fill(0, 4, 7)
      break
    case O.READDIRPLUS:
      gatherInPlace(message)
      for (let at = PAYLOAD / 4, end = (PAYLOAD + message.replyLength - OUT_HEADER_SIZE) / 4; at < end; ) {
        output.fill(0, at + 4, at + 10)
        at += (128 + ((24 + output[at + 32 + 4] + 7) & ~7)) / 4
      }
      break
  }
}

function succeedEmpty(message: Message, size: number): void {
  message.output.fill(0, 4, 4 + size / 4)
  message.output[1] = 0
  message.replyLength = OUT_HEADER_SIZE + size
}

/** Copies buffers that would be sent from where they lie: a listing that is to be changed may not be the handler's own. */
function gatherInPlace(message: Message): void {
  const { gathered, outputBytes } = message
  if (!gathered) return
  message.gathered = undefined
  message.inPayload = true
  for (const bytes of gathered) {
    const at = PAYLOAD - OUT_HEADER_SIZE + message.replyLength
    if (at + bytes.length > outputBytes.length) return message.fail(errno.EIO)
    outputBytes.set(bytes, at)
    message.replyLength += bytes.length
  }
}
