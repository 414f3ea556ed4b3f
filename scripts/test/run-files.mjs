import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { chmodSync, existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { abortConnections, removeLeftovers, VARIABLE } from './leftovers.mjs'
import { root } from './paths.mjs'

const TIMEOUT_SECONDS = 300
const reporter = new URL('./count-reporter.mjs', import.meta.url).href

/** Runs test files, two at a time at most (mounts and their servers need the other processors). */
export async function runFiles(files) {
  const totals = { passed: 0, failed: 0, skipped: 0 }
  const waiting = [...files]
  const active = new Set()
  const stop = () => {
    waiting.length = 0
    for (const child of active) killGroup(child, 'SIGTERM')
  }
  process.on('SIGINT', stop).on('SIGTERM', stop)
  const work = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const result = await runFile(file, active)
      for (const key of Object.keys(totals)) totals[key] += result[key]
    }
  }
  await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, work))
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
  const { output, ended, timedOut } = await runNode(file, folder, results, id, active)
  const tests = readResults(join(results, 'tests.jsonl'))
  const problems = []
  if (timedOut) problems.push(`did not end in ${TIMEOUT_SECONDS} s`)
  else if (ended !== 0 && !tests.some(({ outcome }) => outcome === 'failed'))
    problems.push(`ended with ${ended}`)
  else if (tests.length === 0) problems.push('has no tests')
  problems.push(...(await removeLeftovers(id, folder)).map((what) => `left behind: ${what}`))
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

/** Runs one file in a process group of its own, which is killed when it takes too long. */
function runNode(file, folder, results, id, active) {
  return new Promise((resolve) => {
    const reporters = [
      '--test-reporter=spec',
      '--test-reporter-destination=stdout',
      `--test-reporter=${reporter}`,
    ]
    const destination = `--test-reporter-destination=${join(results, 'tests.jsonl')}`
    const child = spawn(process.execPath, [...reporters, destination, join(root, file)], {
      cwd: root,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, TMPDIR: folder, [VARIABLE]: id, NODE_TEST_CONTEXT: undefined },
    })
    active.add(child)
    let output = ''
    let timedOut = false
    const done = (ended) => {
      clearTimeout(timer)
      active.delete(child)
      resolve({ output, ended, timedOut })
    }
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output += text
      })
    }
    const expire = () => {
      timedOut = true
      killGroup(child, 'SIGTERM')
      timer = setTimeout(() => {
        abortConnections(folder)
        killGroup(child, 'SIGKILL')
        // A process that cannot be killed must not stop the others; what is left is reported.
        timer = setTimeout(() => done('nothing: it cannot be killed'), 5000)
      }, 5000)
    }
    let timer = setTimeout(expire, TIMEOUT_SECONDS * 1000)
    child.once('error', (error) => done(error.message))
    // Not 'close': a daemon left behind keeps the pipes open.
    child.once('exit', (code, signal) => setTimeout(() => done(signal ?? code), 20))
  })
}

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
