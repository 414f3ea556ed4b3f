import { readFileSync } from 'node:fs'
import { constants as c, errno, native, type Request, sys } from '@hawser/fuse'
import { memory } from './memory.js'

/** Groups that a process may have (NGROUPS_MAX, linux/limits.h). */
const GROUPS_MAX = 65536

/**
 * Makes system calls that create files under the caller's identity: the new file is the caller's, in the group that
 * the directory asks for, under the caller's umask (or the directory's default ACL instead).
 */
export class Credentials {
  /** Whether this process may take other identities: it is root. */
  readonly privileged = native.syscall(sys.geteuid) === 0
  /** Files are shown as owned by others than they are: the kernel has checked permission by what is shown. */
  ownersShown = false
  readonly #groups = memory(GROUPS_MAX * 4)

  /**
   * Makes a system call of up to four arguments for the caller of a request. Where `identity` is given, the call opens a
   * descriptor, which is looked at (as by `native.statAt`).
   */
  create(
    request: Request,
    umask: number,
    number: number,
    a0: number,
    a1: number,
    a2: number,
    a3 = 0,
    attr = 0,
    identity = 0,
    handle = 0,
  ): number {
    const as = (uid: number, gid: number, groupCount: number) =>
      native.syscallAs(
        uid,
        gid,
        this.#groups.address,
        groupCount,
        umask,
        number,
        a0,
        a1,
        a2,
        a3,
        attr,
        identity,
        handle,
      )
    const { uid, gid } = request
    if (!this.privileged || (uid === 0 && gid === 0)) return as(0, 0, 0)
    const group = request.supplementaryGroup
    this.#groups.words[0] = group
    let result = as(uid, gid, group < 0 ? 0 : 1)
    if (result !== -errno.EACCES && result !== -errno.EPERM) return result
    // The kernel has allowed it already (default_permissions), perhaps by a group that an ACL names: ask which it has.
    const count = this.#groupsOf(request.pid)
    if (count > 0) result = as(uid, gid, count)
    if (!this.ownersShown || (result !== -errno.EACCES && result !== -errno.EPERM)) return result
    // Whoever is shown as the owner of a directory may make files in it, which are the real owner's affair.
    return as(0, 0, 0)
  }

  /** Fills in a process's supplementary groups, and how many; 0 where it cannot be told. */
  #groupsOf(pid: number): number {
    if (pid === 0) return 0
    let status: string
    try {
      status = readFileSync(`/proc/${pid}/status`, 'latin1')
    } catch {
      return 0
    }
    const line = /^Groups:\t(.*)$/m.exec(status)?.[1].trim()
    if (!line) return 0
    const groups = line.split(' ').map(Number).slice(0, GROUPS_MAX)
    this.#groups.words.set(groups)
    return groups.length
  }

  /** Whether writes by this thread leave set-id bits alone: off for callers without CAP_FSETID. */
  keepSetId(keep: boolean): void {
    if (this.privileged) native.keepSetId(keep ? 1 : 0)
  }

  /**
   * What a change of contents by this caller leaves of a mode (setattr_should_drop_sgid() of fs/attr.c): no set-user-ID; no
   * set-group-ID where the group may execute, or the caller is outside the group.
   */
  modeAfterChange(request: Request, mode: number, group: number): number {
    let kept = mode & 0o7777 & ~c.S_ISUID
    if (kept & c.S_ISGID && (kept & 0o010 || !this.#inGroup(request, group))) kept &= ~c.S_ISGID
    return kept
  }

  #inGroup(request: Request, group: number): boolean {
    if (request.gid === group) return true
    const count = this.#groupsOf(request.pid)
    return this.#groups.words.subarray(0, count).includes(group)
  }
}
