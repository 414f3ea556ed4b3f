import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { chmodSync, existsSync, mkdtempSync, readFileSync, statSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { abortConnections, removeLeftovers, VARIABLE } from './leftovers.mjs'
import { root } from './paths.mjs'

// A file hangs when no test of it ends and it prints nothing for so long. How long it takes in all says nothing: that is
// the machine's.
const SILENCE_SECONDS = Number(process.env.HAWSER_TEST_SILENCE_SECONDS ?? 1200)
// Files wait as well as compute: one more than there are processors. On large machines their mounts need the others.
const AT_ONCE = Math.min(4, availableParallelism() + 1)
const reporter = new URL('./count-reporter.mjs', import.meta.url).href

/** Runs jobs and test files, some at a time, and starts them in the order given. A job is a function that resolves to its numbers. */
export async function runFiles(files, jobs = []) {
  const totals = { passed: 0, failed: 0, skipped: 0 }
  const active = new Set()
  const waiting = [...jobs, ...files.map((file) => () => runFile(file, active))]
  const stop = () => {
    waiting.length = 0
    for (const child of active) killGroup(child, 'SIGTERM')
  }
  process.on('SIGINT', stop).on('SIGTERM', stop)
  const work = async () => {
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) {
      const result = await job()
      for (const key of Object.keys(totals)) totals[key] += result[key]
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  process.off('SIGINT', stop).off('SIGTERM', stop)
  return totals
}

async function runFile(file, active) {
  const folder = mkdtempSync(join(tmpdir(), 'hawser-test-'))
  const id = randomUUID()
  // Tests run commands as other users, who must reach what lies in here.
  chmodSync(folder, 0o755)
  const results = mkdtempSync(join(tmpdir(), 'hawser-results-'))
  const started = performance.now()
  const { output, ended, hung } = await runNode(file, folder, results, id, active)
  const tests = readResults(resultsFile(results))
  const problems = []
  if (hung) problems.push(`no test of it ended and it printed nothing for ${SILENCE_SECONDS} s`)
  else if (ended !== 0 && !tests.some(({ outcome }) => outcome === 'failed'))
    problems.push(`ended with ${ended}`)
  else if (tests.length === 0) problems.push('has no tests')
  const left = await removeLeftovers(id, folder, { killed: hung })
  problems.push(...left.map((what) => `left behind: ${what}`))
  await removeLeftovers(id, results)

  const skipped = tests.filter(({ outcome }) => outcome === 'skipped')
  const passed = tests.filter(({ outcome }) => outcome === 'passed').length
  const failed = tests.filter(({ outcome }) => outcome === 'failed').length + problems.length
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  if (failed > 0) console.log(output.trimEnd())
  console.log(`${failed > 0 ? 'FAIL' : 'ok  '}  ${file}: ${passed} passed, ${failed} failed (${seconds} s)`)
  for (const problem of problems) console.log(`      ${problem}`)
  for (const { name, reason } of skipped) console.log(`      skipped: ${name}${reason && ` (${reason})`}`)
  return { passed, failed, skipped: skipped.length }
}

/** Runs one file in a process group of its own, which is killed when it hangs. */
function runNode(file, folder, results, id, active) {
  return new Promise((resolve) => {
    const reporters = [
      '--test-reporter=spec',
      '--test-reporter-destination=stdout',
      `--test-reporter=${reporter}`,
    ]
    const destination = `--test-reporter-destination=${resultsFile(results)}`
    const child = spawn(process.execPath, [...reporters, destination, join(root, file)], {
      cwd: root,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, TMPDIR: folder, [VARIABLE]: id, NODE_TEST_CONTEXT: undefined },
    })
    active.add(child)
    let output = ''
    let hung = false
    const done = (ended) => {
      clearTimeout(timer)
      active.delete(child)
      resolve({ output, ended, hung })
    }
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output += text
      })
    }
    const expire = () => {
      hung = true
      killGroup(child, 'SIGTERM')
      timer = setTimeout(() => {
        abortConnections(id, folder)
        killGroup(child, 'SIGKILL')
        // A process that cannot be killed must not stop the others; what is left is reported.
        timer = setTimeout(() => done('nothing: it cannot be killed'), 5000)
      }, 5000)
    }
    const progress = () =>
      output.length + (statSync(resultsFile(results), { throwIfNoEntry: false })?.size ?? 0)
    // Looked at a few times only: the processors are the tests'.
    const watch = (before, silent) => {
      timer = setTimeout(() => {
        const now = progress()
        if (now !== before) watch(now, 0)
        else if (silent + 1 < 10) watch(before, silent + 1)
        else expire()
      }, SILENCE_SECONDS * 100)
    }
    let timer
    watch(0, 0)
    child.once('error', (error) => done(error.message))
    // Not 'close': a daemon left behind keeps the pipes open.
    child.once('exit', (code, signal) => setTimeout(() => done(signal ?? code), 20))
  })
}

const resultsFile = (folder) => join(folder, 'tests.jsonl')

function killGroup(child, signal) {
  try {
    process.kill(-child.pid, signal)
  } catch {
    // It has ended.
  }
}

function readResults(file) {
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').split('\n')
  return lines.filter((line) => line.endsWith('}')).map((line) => JSON.parse(line))
}
