import {
  constants as c,
  checked,
  type GetxattrRequest,
  type ListxattrRequest,
  type Name,
  native,
  type SetxattrRequest,
  sys,
  type XattrReply,
} from '@hawser/fuse'
import type { Credentials } from './credentials.js'
import { Identity } from './identity.js'
import type { Resolver } from './resolver.js'

/** The longest value and list (XATTR_SIZE_MAX, XATTR_LIST_MAX: linux/limits.h). */
const VALUE_MAX = 65536

/** Extended attributes, by the descriptor's path: an O_PATH descriptor takes no fgetxattr(2). */
export class XattrOperations {
  readonly #resolver: Resolver
  readonly #credentials: Credentials

  constructor(resolver: Resolver, credentials: Credentials) {
    this.#resolver = resolver
    this.#credentials = credentials
  }

  #path(node: number): number {
    return this.#resolver.path.of(this.#resolver.pathFd(node))
  }

  get(node: number, name: Name, _request: GetxattrRequest, reply: XattrReply): void {
    const { room } = reply
    const result = native.syscall(
      sys.getxattr,
      this.#path(node),
      name.address,
      reply.payloadAddress,
      room === 0 ? 0 : Math.min(room, VALUE_MAX),
    )
    this.#answer(result, room, reply)
  }

  list(node: number, _request: ListxattrRequest, reply: XattrReply): void {
    const { room } = reply
    const result = native.syscall(
      sys.listxattr,
      this.#path(node),
      reply.payloadAddress,
      room === 0 ? 0 : Math.min(room, VALUE_MAX),
    )
    this.#answer(result, room, reply)
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
    checked(native.syscall(sys.setxattr, this.#path(node), name.address, value, size, flags))
    if (request.killSetGid) this.#clearSetGid(node)
  }

  // Root may keep the bit where the caller, outside the file's group, may not (posix_acl_update_mode).
  #clearSetGid(node: number): void {
    const resolver = this.#resolver
    const fd = resolver.pathFd(node)
    if (resolver.stat(fd, 0, 0) < 0) return
    const mode = resolver.identity.words[Identity.MODE]
    if (mode & c.S_ISGID)
      native.syscall(sys.fchmodat, c.AT_FDCWD, resolver.path.of(fd), mode & 0o7777 & ~c.S_ISGID)
  }

  remove(node: number, name: Name): void {
    checked(native.syscall(sys.removexattr, this.#path(node), name.address))
  }
}
