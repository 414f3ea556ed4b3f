import {
  constants as c,
  checked,
  errno,
  type GetxattrRequest,
  type ListxattrRequest,
  type Name,
  type SetxattrRequest,
  type XattrReply,
} from '@hawser/fuse'
import type { Credentials } from './credentials.js'
import { Identity } from './identity.js'
import type { Resolver } from './resolver.js'

/** The longest value and list (XATTR_SIZE_MAX, XATTR_LIST_MAX: linux/limits.h). */
const VALUE_MAX = 65536
const TRUSTED = 'trusted.'

/** Removes trusted.* from a list of names in place. Returns what is left of its length, or -ERANGE where there is no room for that. */
function withoutTrusted(list: Buffer, length: number, room: number): number {
  let kept = 0
  for (let at = 0, end: number; at < length; at = end) {
    end = list.indexOf(0, at) + 1
    if (list.toString('latin1', at, at + TRUSTED.length) === TRUSTED) continue
    list.copyWithin(kept, at, end)
    kept += end - at
  }
  return room > 0 && kept > room ? -errno.ERANGE : kept
}

export class XattrOperations {
  readonly #resolver: Resolver
  readonly #credentials: Credentials
  /** Whether `#descriptor` returned an open one; else it is O_PATH. */
  #open = false

  constructor(resolver: Resolver, credentials: Credentials) {
    this.#resolver = resolver
    this.#credentials = credentials
  }

  #descriptor(node: number): number {
    const open = this.#resolver.nodes.openFd(node)
    this.#open = open >= 0
    return this.#open ? open : this.#resolver.pathFd(node)
  }

  get(node: number, name: Name, _request: GetxattrRequest, reply: XattrReply): void {
    const { room } = reply
    const result = this.#resolver.call.getxattr(
      this.#descriptor(node),
      this.#open,
      name.address,
      reply.payloadAddress,
      room === 0 ? 0 : Math.min(room, VALUE_MAX),
    )
    this.#answer(result, room, reply)
  }

  list(node: number, request: ListxattrRequest, reply: XattrReply): void {
    const { room } = reply
    // trusted.* is for CAP_SYS_ADMIN only, which this process has and its caller has not (xattr(7)).
    const hides = this.#credentials.privileged && request.uid !== 0
    const result = this.#resolver.call.listxattr(
      this.#descriptor(node),
      this.#open,
      reply.payloadAddress,
      hides ? VALUE_MAX : room === 0 ? 0 : Math.min(room, VALUE_MAX),
    )
    this.#answer(hides && result > 0 ? withoutTrusted(reply.payload, result, room) : result, room, reply)
  }

  #answer(result: number, room: number, reply: XattrReply): void {
    if (result < 0) reply.fail(-result)
    else if (room === 0) reply.size(result)
    else reply.inPlace(result)
  }

  set(node: number, request: SetxattrRequest): void {
    const { name, size, flags } = request
    this.#credentials.keepSetId(true)
    const value = request.message.inputAddress + name.end + 1
    const fd = this.#descriptor(node)
    checked(this.#resolver.call.setxattr(fd, this.#open, name.address, value, size, flags))
    if (request.killSetGid) this.#clearSetGid(fd)
  }

  // Root may keep the bit where the caller, outside the file's group, may not (posix_acl_update_mode).
  #clearSetGid(fd: number): void {
    const resolver = this.#resolver
    if (resolver.stat(fd, 0, 0) < 0) return
    const mode = resolver.identity.words[Identity.MODE]
    if (mode & c.S_ISGID) resolver.call.chmod(fd, this.#open, mode & 0o7777 & ~c.S_ISGID)
  }

  remove(node: number, name: Name): void {
    checked(this.#resolver.call.removexattr(this.#descriptor(node), this.#open, name.address))
  }
}
