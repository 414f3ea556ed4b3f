#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { type Omission, runModelChecker } from './model-checker.js'

const usage = `Usage: model-checker-cli.js DIRECTORY --reference DIRECTORY2 [options]

Applies random sequences of operations to DIRECTORY and to the plain DIRECTORY2 and compares every answer. A sequence
that differs is shrunk and printed as JSON.

  --seed N         of the first sequence (default: at random)
  --steps N        operations in a sequence (200)
  --sequences N    how many (20)
  --without A,B    operations, or TMPFILE, NOREPLACE, EXCHANGE, that DIRECTORY is known not to have
  --replay FILE    runs the sequence in FILE instead
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    reference: { type: 'string' },
    seed: { type: 'string' },
    steps: { type: 'string' },
    sequences: { type: 'string' },
    without: { type: 'string' },
    replay: { type: 'string' },
    help: { type: 'boolean' },
  },
})
const number = (value: string | undefined) => (value === undefined ? undefined : Number(value))

if (values.help || positionals.length !== 1 || !values.reference) {
  process.stderr.write(usage)
  process.exit(values.help ? 0 : 2)
}

const seed = number(values.seed) ?? Math.floor(Math.random() * 1_000_000_000)
console.log(`seed ${seed}`)
const result = await runModelChecker({
  directory: positionals[0],
  reference: values.reference,
  seed,
  steps: number(values.steps),
  sequences: number(values.sequences),
  without: values.without?.split(',') as Omission[] | undefined,
  replay: values.replay ? JSON.parse(readFileSync(values.replay, 'utf8')) : undefined,
})
if (result.failure) {
  const { difference, minimal, originalLength } = result.failure
  console.log(
    `DIFFERENT: seed ${result.failure.seed ?? '(replay)'}, ${originalLength} operations shrunk to ${minimal.length}`,
  )
  console.log(`at ${difference.what} (operation ${difference.index}):`)
  console.log(`  target:    ${JSON.stringify(difference.target)}`)
  console.log(`  reference: ${JSON.stringify(difference.reference)}`)
  console.log(`[\n${minimal.map((one) => `  ${JSON.stringify(one)}`).join(',\n')}\n]`)
  process.exitCode = 1
} else console.log(`${result.sequences} sequences, ${result.operations} operations: no difference`)
