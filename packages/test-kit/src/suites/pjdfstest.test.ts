import assert from 'node:assert/strict'
import { test } from 'node:test'
import { expectedDifferences } from './expected-differences.js'
import { type CaseResult, compare, parseReport } from './pjdfstest.js'

// The report's form, as the suite prints it without colours.
const REPORT = `chmod::change_perm::regular                                                   ok
unlink::erofs_named                                                      skipped
\tRemounts (allow_remount) are not allowed in the configuration file
link::changed_ctime_success::fifo                                         FAILED
\tassertion failed: ctime_before < ctime_after
\tsecond line
Backtrace:
   0: pjdfstest::main

open::open_trunc                                                              ok

Summary: 1 failed, 1 skipped, 2 passed, 0 expected failures, 4 total
`

test('a report is read case by case, with the suite’s own words', () => {
  const results = parseReport(REPORT)
  assert.deepEqual(
    [...results].map(([name, { outcome }]) => [name, outcome]),
    [
      ['chmod::change_perm::regular', 'passed'],
      ['unlink::erofs_named', 'skipped'],
      ['link::changed_ctime_success::fifo', 'failed'],
      ['open::open_trunc', 'passed'],
    ],
  )
  assert.equal(
    results.get('link::changed_ctime_success::fifo')?.detail,
    'assertion failed: ctime_before < ctime_after\nsecond line',
  )
  assert.equal(results.get('open::open_trunc')?.detail, '')
})

test('whatever passes beneath must pass on the mount: failed, skipped and missing cases count', () => {
  const passed: CaseResult = { outcome: 'passed', detail: '' }
  const failed: CaseResult = { outcome: 'failed', detail: 'no' }
  const skipped: CaseResult = { outcome: 'skipped', detail: 'cannot' }
  const beneath = { same: passed, broken: passed, refused: passed, absent: passed, known: passed }
  const mount = {
    same: passed,
    broken: failed,
    refused: skipped,
    known: failed,
    better: passed,
    nowhere: failed,
  }
  const result = compare(
    new Map(Object.entries({ ...beneath, better: failed, nowhere: skipped })),
    new Map(Object.entries(mount)),
    { known: 'because', gone: 'because' },
  )
  assert.deepEqual(result.passed, ['same', 'better'])
  assert.deepEqual(
    result.failed.map(({ name, outcome }) => [name, outcome]),
    [
      ['broken', 'failed'],
      ['refused', 'skipped'],
      ['absent', 'missing'],
    ],
  )
  assert.deepEqual(result.expected, [{ name: 'known', ...failed, reason: 'because' }])
  assert.deepEqual(result.skipped, ['nowhere'])
  assert.deepEqual(result.unseen, ['gone'])
})

test('every expected difference has a reason', () => {
  for (const suite of ['pjdfstest', 'fsx'] as const) {
    for (const reason of Object.values(expectedDifferences(suite))) assert.ok(reason.length > 20)
  }
})
