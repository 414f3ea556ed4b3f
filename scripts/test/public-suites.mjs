import { execFile } from 'node:child_process'
import { randomInt, randomUUID } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeLeftovers, VARIABLE } from './leftovers.mjs'
import { root } from './paths.mjs'

const OPERATIONS = 20_000
const FIXED_SEED = 1

/** Runs one of crates.io's suites on a mounted directory, or says why it cannot be run here. */
export async function runPublicSuite(suite) {
  const kit = await import(join(root, 'packages/test-kit/dist/suites/index.js'))
  const totals = { passed: 0, failed: 0, skipped: 0 }
  const missing = kit.whyNoRust()
  if (missing !== undefined) {
    console.log(`not run: ${suite}, because ${missing}`)
    return { ...totals, skipped: 1 }
  }
  const folder = mkdtempSync(join(tmpdir(), 'hawser-suites-'))
  const id = randomUUID()
  chmodSync(folder, 0o755)
  const started = performance.now()
  try {
    await { pjdfstest, fsx }[suite](kit, folder, id, totals)
  } catch (error) {
    console.log(`FAIL  ${suite}: ${error.message}`)
    totals.failed++
  }
  for (const left of await removeLeftovers(id, folder)) {
    console.log(`FAIL  ${suite} left behind: ${left}`)
    totals.failed++
  }
  const { passed, failed } = totals
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.log(`${failed > 0 ? 'FAIL' : 'ok  '}  ${suite}: ${passed} passed, ${failed} failed (${seconds} s)`)
  return totals
}

async function pjdfstest(kit, folder, id, totals) {
  const beneathDirectory = join(folder, 'beneath')
  mkdirSync(beneathDirectory)
  await mounted(folder, id, 'passthrough=auto', async (mountDirectory) => {
    const result = await kit.runPjdfstest({ beneathDirectory, mountDirectory })
    kit.printPjdfstest(result)
    totals.passed += result.passed.length
    totals.failed += result.failed.length
    totals.skipped += result.expected.length + result.skipped.length
  })
}

async function fsx(kit, folder, id, totals) {
  const seeds = [FIXED_SEED, randomInt(2 ** 32)]
  const run = async (directory, modes) => {
    for (const mode of modes) {
      for (const seed of seeds) {
        const result = await kit.runFsx({ directory, mode, operations: OPERATIONS, seed })
        kit.printFsx(result)
        totals[result.passed ? 'passed' : 'failed']++
      }
    }
  }
  await mounted(folder, id, 'passthrough=off', (directory) => run(directory, ['plain', 'mmap', 'direct']))
  if (process.getuid() === 0) {
    await mounted(folder, id, 'passthrough=auto', (directory) => run(directory, ['passthrough']))
  } else {
    console.log('not run: fsx passthrough, because only root may register files with the kernel')
    totals.skipped++
  }
}

/** Mounts a fresh directory with `hawser mount`, hands its mount point over, and unmounts it. */
async function mounted(folder, id, options, use) {
  const place = mkdtempSync(join(folder, 'mount-'))
  const [source, point] = [join(place, 'source'), join(place, 'point')]
  chmodSync(place, 0o755)
  mkdirSync(source)
  mkdirSync(point)
  const all = process.getuid() === 0 ? `allow_other,${options}` : options
  await hawser(id, ['mount', '-o', all, source, point])
  try {
    await use(point)
  } finally {
    await hawser(id, ['umount', point])
  }
}

function hawser(id, args) {
  const program = join(root, 'packages/hawser/bin/hawser.js')
  const options = { env: { ...process.env, [VARIABLE]: id }, timeout: 600_000 }
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [program, ...args], options, (error, stdout, stderr) => {
      if (error) reject(new Error(`hawser ${args.join(' ')} failed: ${stdout}${stderr}`))
      else resolve()
    })
  })
}
