// One of crates.io's suites on a mounted directory; tells the parent its numbers. Arguments: the suite, an empty folder.
import { execFile } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './paths.mjs'

const OPERATIONS = 20_000
const FIXED_SEED = 1

const kit = await import(join(root, 'packages/test-kit/dist/suites/index.js'))
const [suite, folder] = process.argv.slice(2)
const totals = { passed: 0, failed: 0, skipped: 0 }
try {
  await { pjdfstest, fsx }[suite]()
} catch (error) {
  console.log(`FAIL  ${suite}: ${error.message}`)
  totals.failed++
}
process.send(totals)
process.disconnect()

async function pjdfstest() {
  const beneathDirectory = join(folder, 'beneath')
  mkdirSync(beneathDirectory)
  await mounted('passthrough=auto', async (mountDirectory) => {
    const result = await kit.runPjdfstest({ beneathDirectory, mountDirectory })
    kit.printPjdfstest(result)
    totals.passed += result.passed.length
    totals.failed += result.failed.length
    totals.skipped += result.expected.length + result.skipped.length
  })
}

async function fsx() {
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
  await mounted('passthrough=off', (directory) => run(directory, ['plain', 'mmap', 'direct']))
  if (process.getuid() === 0) {
    await mounted('passthrough=auto', (directory) => run(directory, ['passthrough']))
  } else {
    console.log('not run: fsx passthrough, because only root may register files with the kernel')
    totals.skipped++
  }
}

/** Mounts a fresh directory with `hawser mount`, hands its mount point over, and unmounts it. */
async function mounted(options, use) {
  const place = mkdtempSync(join(folder, 'mount-'))
  const [source, point] = [join(place, 'source'), join(place, 'point')]
  chmodSync(place, 0o755)
  mkdirSync(source)
  mkdirSync(point)
  const all = process.getuid() === 0 ? `allow_other,${options}` : options
  await hawser(['mount', '-o', all, source, point])
  try {
    await use(point)
  } finally {
    await hawser(['umount', point])
  }
}

function hawser(args) {
  const program = join(root, 'packages/hawser/bin/hawser.js')
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [program, ...args], { timeout: 600_000 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`hawser ${args.join(' ')} failed: ${stdout}${stderr}`))
      else resolve()
    })
  })
}
