export type { AccessRule } from './access.js'
export type { Features } from './negotiate.js'
export { type LogLevel, Session, type SessionLog, type SessionOptions } from './session.js'
export { boundsNanoseconds, type OperationStatistics, Statistics } from './statistics.js'
