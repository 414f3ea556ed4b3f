import type { Filesystem } from '../filesystem.js'
import { type Message, Opcode } from '../protocol/index.js'

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
  O.DESTROY,
])
  exempt[opcode] = 1

export function allowed(rule: AccessRule, message: Message): boolean {
  const uid = message.input[6]
  return uid === rule.uid || (rule.allowRoot && uid === 0) || exempt[message.opcode] === 1
}

/**
 * Takes every timeout out of a reply: the kernel answers cached names and attributes without asking who wants them, so a
 * mount with a rule of its own may have nothing cached.
 */
export function dropTimeouts(message: Message): void {
  const { output } = message
  switch (message.opcode) {
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
      for (let at = 4; at * 4 < message.replyLength; ) {
        output.fill(0, at + 4, at + 10)
        at += (128 + ((24 + output[at + 32 + 4] + 7) & ~7)) / 4
      }
      break
  }
}

/**
 * A file system whose missing open, opendir and access succeed instead of ENOSYS: that one the kernel would remember, and
 * let everybody open without asking.
 */
export function withAccessChecks(filesystem: Filesystem): Filesystem {
  const checked: Filesystem = Object.create(filesystem)
  checked.open ??= () => {}
  checked.opendir ??= () => {}
  checked.access ??= () => {}
  return checked
}
