/** What a case of the suite is, and what it is given. */
import type { Peer, User } from './peer.js'
import type { Path } from './posix.js'

/**
 * root: the runner is the superuser. users: other users' processes can be started and reach the directory. The others are
 * what the filesystem beneath must be able to do for the case to mean anything.
 */
export type Capability =
  | 'root'
  | 'users'
  | 'xattr'
  | 'acl'
  | 'tmpfile'
  | 'device'
  | 'exec'
  | 'direct'
  | 'btime'
  | 'holes'
  | 'exchange'
  | 'read-only'

export const allCapabilities: Capability[] = [
  'root',
  'users',
  'xattr',
  'acl',
  'tmpfile',
  'device',
  'exec',
  'direct',
  'btime',
  'holes',
  'exchange',
  'read-only',
]

export interface Users {
  /** Owns files in cases about permission. */
  owner: User
  /** Has `group` as a supplementary group. */
  member: User
  /** Has no group in common with the others. */
  other: User
  /** The group that files of the owner are given. */
  group: number
}

export const defaultUsers: Users = {
  owner: { uid: 64001, gid: 64101, groups: [64100] },
  member: { uid: 64002, gid: 64102, groups: [64100] },
  other: { uid: 64003, gid: 64103, groups: [] },
  group: 64100,
}

export interface CaseContext {
  /** A new, empty directory in the target. Where the target is read-only, the target itself. */
  readonly directory: string
  /** A new, empty directory in the plain reference directory. */
  readonly reference: string
  readonly capabilities: ReadonlySet<Capability>
  readonly users: Users
  /** A name in `directory`; a Buffer where the name is one. */
  path(name: string): string
  path(name: Buffer): Buffer
  path(name: Path): Path
  /** A process of this user, kept for later cases; another number is another process. */
  as(user: User, index?: number): Promise<Peer>
  /** Another process of the runner's own identity. */
  process(index?: number): Promise<Peer>
  /** Does the same in the target and in the reference, expects deeply equal answers and returns them. */
  compare<T>(run: (directory: string) => T | Promise<T>): Promise<T>
}

export interface ConformanceCase {
  /** Said within its theme; the full name is `theme: name`. */
  name: string
  requires?: Capability[]
  /** Seconds before the watchdog ends it; 240 unless told. */
  timeout?: number
  run(context: CaseContext): void | Promise<void>
}
