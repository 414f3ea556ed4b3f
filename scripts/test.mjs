// What `npm test` runs: system packages, build, lint, every test file, the public suites; then one line of
// numbers. `npm test -- PATTERN...` runs only the test files (or public suites) whose names contain a pattern;
// `--tests-only` leaves out lint and the public suites.
import { spawnSync } from 'node:child_process'
import { globTestFiles } from './test/files.mjs'
import { root } from './test/paths.mjs'
import { runPublicSuite } from './test/public-suites.mjs'
import { runFiles } from './test/run-files.mjs'
import { installSystemPackages } from './test/system-packages.mjs'

const args = process.argv.slice(2)
const patterns = args.filter((argument) => !argument.startsWith('-'))
const unknown = args.find((argument) => argument.startsWith('-') && argument !== '--tests-only')
if (unknown !== undefined) {
  console.error(`test: unknown option ${unknown}`)
  process.exit(2)
}
const everything = patterns.length === 0 && !args.includes('--tests-only')
const totals = { passed: 0, failed: 0, skipped: 0 }
const count = (result) => {
  for (const key of Object.keys(totals)) totals[key] += result[key] ?? 0
}

function step(name, command, commandArgs) {
  console.log(`\n== ${name}`)
  const { status, error } = spawnSync(command, commandArgs, { cwd: root, stdio: 'inherit' })
  if (error !== undefined) console.error(`${command}: ${error.message}`)
  if (status !== 0) console.log(`FAIL  ${name}`)
  count(status === 0 ? { passed: 1 } : { failed: 1 })
  return status === 0
}

console.log(`== Node ${process.version}, ${process.platform} ${process.arch}`)
installSystemPackages()
if (step('build', process.execPath, ['scripts/build.mjs'])) {
  if (everything) step('lint', process.execPath, ['node_modules/@biomejs/biome/bin/biome', 'check', '.'])
  const files = globTestFiles(patterns)
  const suites = ['pjdfstest', 'fsx'].filter(
    (suite) => everything || patterns.some((pattern) => suite.includes(pattern)),
  )
  console.log(`\n== ${[...suites, `${files.length} test files`].join(', ')}`)
  // They are compiled first, on a new machine, and take longest.
  const jobs = suites.map((suite) => () => runPublicSuite(suite))
  count(await runFiles(files, jobs))
  if (files.length + suites.length === 0) {
    console.error(`test: nothing is called like ${patterns.join(' or ')}`)
    count({ failed: 1 })
  }
}

const { passed, failed, skipped } = totals
console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exit(failed === 0 ? 0 : 1)
