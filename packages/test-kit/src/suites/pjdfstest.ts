import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expectedDifferences } from './expected-differences.js'
import { runProgram } from './process.js'
import { suiteProgram } from './programs.js'

export interface PjdfstestOptions {
  /** A directory of the filesystem that is known to be right. */
  readonly beneathDirectory: string
  /** A directory of the mount under test. */
  readonly mountDirectory: string
  /** Only the cases whose names contain one of these. */
  readonly patterns?: readonly string[]
}

export type Outcome = 'passed' | 'failed' | 'skipped' | 'missing'

export interface CaseResult {
  readonly outcome: Outcome
  /** What the suite says of it: the failed assertion, or why it was skipped. */
  readonly detail: string
}

export interface CaseDifference {
  readonly name: string
  readonly outcome: Outcome
  readonly detail: string
  /** Why it is expected, when it is. */
  readonly reason?: string
}

export interface PjdfstestComparison {
  /** Cases that pass on the mount. */
  readonly passed: string[]
  /** Cases that pass beneath and not on the mount, without a known reason. */
  readonly failed: CaseDifference[]
  /** The same, with a known reason. */
  readonly expected: CaseDifference[]
  /** Cases that pass nowhere, so that nothing can be said of the mount. */
  readonly skipped: string[]
  /** Known differences that were not seen: the reason may be out of date. */
  readonly unseen: string[]
  readonly beneath: ReadonlyMap<string, CaseResult>
  readonly mount: ReadonlyMap<string, CaseResult>
}

/**
 * Runs crates.io's pjdfstest on a directory that is known to be right and on one of a mount, and compares
 * case by case. As root it covers everything; otherwise what needs root is skipped on both sides.
 */
export async function runPjdfstest(options: PjdfstestOptions): Promise<PjdfstestComparison> {
  const program = await suiteProgram('pjdfstest')
  const folders = {
    beneath: realpathSync(options.beneathDirectory),
    mount: realpathSync(options.mountDirectory),
  }
  // Both sides work at paths of one length: the suite builds names up to PATH_MAX from what is left of it.
  const length = workPathLength(Math.max(folders.beneath.length, folders.mount.length))
  const beneath = await runOn(program, folders.beneath, length, options.patterns ?? [])
  const mount = await runOn(program, folders.mount, length, options.patterns ?? [])
  return compare(beneath, mount, expectedDifferences('pjdfstest'))
}

/** Compares the results of the two sides; exported for its test. */
export function compare(
  beneath: ReadonlyMap<string, CaseResult>,
  mount: ReadonlyMap<string, CaseResult>,
  reasons: Record<string, string>,
): PjdfstestComparison {
  const passed: string[] = []
  const failed: CaseDifference[] = []
  const expected: CaseDifference[] = []
  const skipped: string[] = []
  for (const name of new Set([...beneath.keys(), ...mount.keys()])) {
    const result = mount.get(name) ?? { outcome: 'missing', detail: 'the suite ended before this case' }
    if (result.outcome === 'passed') passed.push(name)
    else if (beneath.get(name)?.outcome !== 'passed') skipped.push(name)
    else if (reasons[name] !== undefined) expected.push({ name, ...result, reason: reasons[name] })
    else failed.push({ name, ...result })
  }
  const unseen = Object.keys(reasons).filter((name) => !expected.some((entry) => entry.name === name))
  return { passed, failed, expected, skipped, unseen, beneath, mount }
}

/** Reads the suite's report: a line for each case, then indented details. */
export function parseReport(report: string): Map<string, CaseResult> {
  const outcomes: Record<string, Outcome> = { ok: 'passed', FAILED: 'failed', skipped: 'skipped' }
  const results = new Map<string, { outcome: Outcome; detail: string }>()
  let current: { outcome: Outcome; detail: string } | undefined
  let inBacktrace = false
  for (const line of report.split('\n')) {
    const [, name, word] = /^([a-z0-9_]+(?:::[a-z0-9_]+)+)\s+(ok|FAILED|skipped)$/.exec(line) ?? []
    if (name !== undefined && word !== undefined) {
      current = { outcome: outcomes[word]!, detail: '' }
      results.set(name, current)
      inBacktrace = false
    } else if (line.startsWith('Backtrace:')) inBacktrace = true
    else if (current !== undefined && !inBacktrace && line.trim() !== '' && !line.startsWith('Summary')) {
      current.detail += `${current.detail === '' ? '' : '\n'}${line.trim()}`
    }
  }
  return results
}

async function runOn(program: string, folder: string, length: number, patterns: readonly string[]) {
  requireTraversable(folder)
  const work = join(folder, 'p'.repeat(length - folder.length - 1))
  const temporary = mkdtempSync(join(tmpdir(), 'hawser-pjdfstest-'))
  mkdirSync(work)
  const other = secondaryFilesystem(work)
  try {
    chmodSync(work, 0o755)
    const configuration = join(temporary, 'pjdfstest.toml')
    writeFileSync(configuration, configurationText(other))
    const args = ['-c', configuration, '-p', work, ...patterns]
    const env = { NO_COLOR: '1', RUST_BACKTRACE: '0' }
    const result = await runProgram(program, args, { env, timeoutSeconds: 1200 })
    const cases = parseReport(result.stdout)
    // The summary is the last thing printed: without it the suite died, and silence is not success.
    const total = Number(/, (\d+) total$/m.exec(result.stdout)?.[1])
    if (result.timedOut || total !== cases.size || total === 0) {
      const reason = result.timedOut ? 'does not end' : `printed ${cases.size} of ${total} results`
      throw new Error(`pjdfstest on ${folder} ${reason}:\n${result.stdout.slice(-2000)}${result.stderr}`)
    }
    return cases
  } finally {
    rmSync(temporary, { recursive: true, force: true })
    if (other !== undefined) rmSync(other, { recursive: true, force: true })
    rmSync(work, { recursive: true, force: true })
  }
}

function configurationText(other: string | undefined): string {
  const users = otherUsers()
  const entries = users.map(([user, group]) => `["${user}", "${group}"]`).join(', ')
  // A nap must be longer than the kernel's timestamp granularity (a tick, up to 10 ms).
  return `[features]
posix_fallocate = {}
rename_ctime = {}
utimensat = {}
utime_now = {}
${other === undefined ? '' : `secondary_fs = ${JSON.stringify(other)}`}
[settings]
naptime = 0.02
[dummy_auth]
entries = [${entries}]
`
}

/** Two users other than root, of the machine's own, each with its group: the suite switches to them. */
function otherUsers(): [string, string][] {
  const groups = new Map<string, string>()
  for (const line of readFileSync('/etc/group', 'utf8').split('\n')) {
    const [name, , id] = line.split(':')
    if (name && id) groups.set(id, name)
  }
  const users: [string, string][] = []
  for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
    const [name, , id, group] = line.split(':')
    if (name && id !== '0' && group !== '0' && groups.has(group ?? ''))
      users.push([name, groups.get(group!)!])
  }
  // nobody and daemon have no files of their own, and every Debian and Fedora has them.
  const known = ['daemon', 'nobody']
  users.sort((a, b) => known.indexOf(b[0]) - known.indexOf(a[0]))
  if (users.length < 2) throw new Error('pjdfstest needs two users other than root in /etc/passwd')
  return users.slice(0, 2)
}

/** A directory on another filesystem than the one under test, for the cases about EXDEV. */
function secondaryFilesystem(work: string): string | undefined {
  const memory = statSync('/dev/shm', { throwIfNoEntry: false })
  if (memory === undefined || memory.dev === statSync(work).dev) return undefined
  return mkdtempSync('/dev/shm/hawser-pjdfstest-')
}

/**
 * pjdfstest 0.2.2 fills a path up to PATH_MAX with parts of 127 bytes, and panics in its own arithmetic where
 * they fit exactly. It adds two directories of eleven bytes to ours.
 */
function workPathLength(longest: number): number {
  let length = longest + 2
  while ((4095 - length - 22) % 127 < 10) length++
  return length
}

/** The suite's other users must reach the directory: mkdtemp's mode 0700 above it breaks dozens of cases. */
function requireTraversable(folder: string): void {
  for (let path = folder; ; path = dirname(path)) {
    if ((statSync(path).mode & 0o001) === 0) throw new Error(`${path} must be searchable by everybody`)
    if (path === '/') return
  }
}
