export * from './errors.js'
export { constants, errno, native } from './native.js'
export * from './protocol/index.js'
export { boundsNanoseconds, type OperationStatistics, Statistics } from './session/statistics.js'
