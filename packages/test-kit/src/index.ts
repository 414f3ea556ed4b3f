export { allCapabilities, type Capability, type ConformanceCase, defaultUsers, type Users } from './case.js'
export {
  type CaseResult,
  type ConformanceOptions,
  type ConformanceResult,
  registerConformance,
  runConformance,
  selectCases,
  type TestFunction,
} from './conformance.js'
export {
  type Difference,
  type Fault,
  type ModelCheckOptions,
  type ModelCheckResult,
  type Omission,
  type Operation,
  runModelChecker,
} from './model-checker.js'
export { constants, errnoName } from './native.js'
export { Peer, type User } from './peer.js'
export * as posix from './posix.js'
export type { DirectoryEntry, FileStatus, FilesystemStatus, Lock } from './posix-structures.js'
export { runStress, type StressOptions, type StressResult } from './stress.js'
export {
  openUnprivileged,
  runUnprivileged,
  type UnprivilegedOptions,
  type UnprivilegedProcess,
  type UnprivilegedSession,
  whyNotUnprivileged,
} from './unprivileged.js'
