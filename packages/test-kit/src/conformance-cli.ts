#!/usr/bin/env node
import { parseArgs } from 'node:util'
import type { Capability } from './case.js'
import { runConformance } from './conformance.js'

const usage = `Usage: conformance-cli.js DIRECTORY --reference DIRECTORY2 [options]

Runs the POSIX conformance suite in DIRECTORY, such as a mount point, and compares with the plain DIRECTORY2 where
filesystems may differ.

  --filter TEXT           only cases whose full name contains it
  --read-only             DIRECTORY is mounted read-only: run the cases about that
  --capabilities A,B      what DIRECTORY must be able to do, instead of finding out
  --json                  one JSON document with all results
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    reference: { type: 'string' },
    filter: { type: 'string' },
    capabilities: { type: 'string' },
    'read-only': { type: 'boolean' },
    json: { type: 'boolean' },
    help: { type: 'boolean' },
  },
})

if (values.help || positionals.length !== 1 || !values.reference) {
  process.stderr.write(usage)
  process.exit(values.help ? 0 : 2)
}

const marks = { passed: 'ok  ', failed: 'FAIL', expected: 'xfail', 'not run': '-   ' }
const result = await runConformance({
  directory: positionals[0],
  reference: values.reference,
  filter: values.filter,
  readOnly: values['read-only'],
  capabilities: values.capabilities?.split(',') as Capability[] | undefined,
  onResult({ name, verdict, detail, milliseconds }) {
    if (values.json) return
    const time = milliseconds > 1000 ? ` (${(milliseconds / 1000).toFixed(1)} s)` : ''
    console.log(`${marks[verdict]} ${name}${time}${verdict === 'not run' ? `: ${detail}` : ''}`)
    if (verdict === 'failed') console.log(detail?.replace(/^/gm, '       '))
  },
})
if (values.json) console.log(JSON.stringify(result, null, 2))
else {
  console.log(
    `${result.passed.length} passed, ${result.failed.length} failed, ${result.expected.length} failed as expected, ` +
      `${result.notRun.length} not run`,
  )
}
process.exitCode = result.failed.length > 0 ? 1 : 0
