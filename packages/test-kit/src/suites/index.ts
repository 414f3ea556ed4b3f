export { FSX_MODES, type FsxMode, type FsxOptions, type FsxResult, runFsx } from './fsx.js'
export {
  type CaseDifference,
  type CaseResult,
  type Outcome,
  type PjdfstestComparison,
  type PjdfstestOptions,
  runPjdfstest,
} from './pjdfstest.js'
export { printFsx, printPjdfstest } from './print.js'
export { suiteProgram, whyNoRust } from './programs.js'
