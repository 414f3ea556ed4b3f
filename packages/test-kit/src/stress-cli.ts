#!/usr/bin/env node
import { parseArgs } from 'node:util'
import { runStress } from './stress.js'

const usage = `Usage: stress-cli.js DIRECTORY [options]

Lets many processes work in DIRECTORY at once and verifies what must hold.

  --processes N     how many (8)
  --operations N    of each process (1000)
  --seed N          of what they choose (at random)
  --timeout N       seconds before DIRECTORY is taken to hang (900)
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    processes: { type: 'string' },
    operations: { type: 'string' },
    seed: { type: 'string' },
    timeout: { type: 'string' },
    help: { type: 'boolean' },
  },
})
const number = (value: string | undefined) => (value === undefined ? undefined : Number(value))

if (values.help || positionals.length !== 1) {
  process.stderr.write(usage)
  process.exit(values.help ? 0 : 2)
}

const seed = number(values.seed) ?? Math.floor(Math.random() * 1_000_000)
const { counts, problems } = await runStress({
  directory: positionals[0],
  processes: number(values.processes),
  operations: number(values.operations),
  timeout: number(values.timeout),
  seed,
})
const total = Object.values(counts).reduce((sum, count) => sum + count, 0)
console.log(`seed ${seed}: ${total} calls, ${problems.length} problems`)
for (const problem of problems.slice(0, 50)) console.log(`  ${problem}`)
process.exitCode = problems.length > 0 ? 1 : 0
