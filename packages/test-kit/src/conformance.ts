/** Runs the suite against a directory: a mount point of another process, or any directory. */
import { randomBytes } from 'node:crypto'
import { type Capability, type ConformanceCase, defaultUsers, type Users } from './case.js'
import { suite } from './suite/index.js'
import { SuiteRunner } from './suite-runner.js'
import { Hang } from './watched-child.js'

export interface ConformanceOptions {
  /** The target. It must be served by another process than the suite's children, and stays as it was found. */
  directory: string
  /** A plain directory on the filesystem beneath, for what legitimately differs from one filesystem to another. */
  reference: string
  /** A part of the case's name, an expression or a function. */
  filter?: string | RegExp | ((name: string) => boolean)
  /** Instead of finding out: what the target must be able to do. */
  capabilities?: Capability[]
  /** Cases known to fail, by full name, each with its reason. One that passes nevertheless counts as failed. */
  expectedFailures?: Record<string, string>
  users?: Users
  /** The target is mounted read-only and has content: only the cases about that run. */
  readOnly?: boolean
  onResult?: (result: CaseResult) => void
}

/** Before a case is taken to hang: a slow machine needs a tenth of it for the longest. */
const CASE_SECONDS = 240

export interface CaseResult {
  name: string
  verdict: 'passed' | 'failed' | 'expected' | 'not run'
  /** The error of a failed case, the reason of an expected one, why a case did not run. */
  detail?: string
  milliseconds: number
}

export interface ConformanceResult {
  passed: string[]
  failed: { name: string; error: string }[]
  expected: { name: string; reason: string; error: string }[]
  notRun: { name: string; why: string }[]
}

export async function runConformance(options: ConformanceOptions): Promise<ConformanceResult> {
  const result: ConformanceResult = { passed: [], failed: [], expected: [], notRun: [] }
  const names = selectCases(options)
  for (const name of Object.keys(options.expectedFailures ?? {})) {
    if (!suite.has(name))
      result.failed.push({ name, error: 'an expected failure names no case of the suite' })
  }
  const runner = new SuiteRunner(workerStart(options))
  try {
    for (const name of names) {
      const began = performance.now()
      const report = (verdict: CaseResult['verdict'], detail?: string) =>
        options.onResult?.({ name, verdict, detail, milliseconds: performance.now() - began })
      const outcome = await runCase(runner, name)
      const reason = options.expectedFailures?.[name]
      if (outcome.notRun !== undefined) {
        result.notRun.push({ name, why: outcome.notRun })
        report('not run', outcome.notRun)
      } else if (outcome.error !== undefined && reason !== undefined) {
        result.expected.push({ name, reason, error: outcome.error })
        report('expected', reason)
      } else if (outcome.error !== undefined || reason !== undefined) {
        const error = outcome.error ?? `passed, though it was expected to fail: ${reason}`
        result.failed.push({ name, error })
        report('failed', error)
      } else {
        result.passed.push(name)
        report('passed')
      }
    }
  } finally {
    await runner.finish()
  }
  return result
}

/** What node:test's `test` must be able to do. */
export interface TestFunction {
  (name: string, run: (context: TestContext) => Promise<void>): unknown
  after(run: () => Promise<void>): unknown
}
interface TestContext {
  skip(message?: string): void
}

/** Registers each case as a test of node:test. Cases that the machine cannot run are shown as skipped, with the reason. */
export function registerConformance(test: TestFunction, options: ConformanceOptions): void {
  const runner = new SuiteRunner(workerStart(options))
  for (const name of selectCases(options)) {
    test(name, async (context) => {
      const outcome = await runCase(runner, name)
      const reason = options.expectedFailures?.[name]
      if (outcome.notRun !== undefined) return context.skip(outcome.notRun)
      if (reason !== undefined) {
        if (outcome.error === undefined) throw new Error(`passed, though it was expected to fail: ${reason}`)
        return context.skip(`fails as expected: ${reason}`)
      }
      if (outcome.error !== undefined) throw new Error(outcome.error)
    })
  }
  test.after(() => runner.finish())
}

/** The full names of the cases that a filter leaves. */
export function selectCases({ filter, readOnly }: Pick<ConformanceOptions, 'filter' | 'readOnly'>): string[] {
  const wanted = (name: string) => {
    if (filter === undefined) return true
    if (typeof filter === 'function') return filter(name)
    return typeof filter === 'string' ? name.includes(filter) : filter.test(name)
  }
  const aboutReadOnly = (one: ConformanceCase) => one.requires?.includes('read-only') ?? false
  return [...suite]
    .filter(([name, one]) => wanted(name) && aboutReadOnly(one) === Boolean(readOnly))
    .map(([name]) => name)
}

function workerStart(options: ConformanceOptions) {
  return {
    directory: options.directory,
    reference: options.reference,
    base: `conformance-${randomBytes(4).toString('hex')}`,
    users: options.users ?? defaultUsers,
    readOnly: options.readOnly ?? false,
    capabilities: options.capabilities,
  }
}

async function runCase(runner: SuiteRunner, name: string): Promise<{ notRun?: string; error?: string }> {
  if (runner.hopeless) return { error: 'not tried: the target hung in earlier cases' }
  const one = suite.get(name)!
  try {
    const { capabilities, missing } = await runner.ready()
    const lacking = one.requires?.find((capability) => !capabilities.includes(capability))
    if (lacking)
      return {
        notRun: missing[lacking] ?? `needs ${lacking}, which the filesystem beneath or the user has not`,
      }
    await runner.run(name, one.timeout ?? CASE_SECONDS)
    return {}
  } catch (error) {
    if (error instanceof Hang) return { error: `hung: ${error.message}` }
    return { error: error instanceof Error ? shorten(error.stack ?? error.message) : String(error) }
  }
}

// The frames below a case belong to the kit.
function shorten(stack: string): string {
  return stack
    .split('\n')
    .filter((line) => !/conformance-worker|node:internal|processTicks/.test(line))
    .slice(0, 30)
    .join('\n')
}
