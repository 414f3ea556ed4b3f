import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { registerConformance, runConformance, selectCases } from './conformance.js'
import { testDirectories } from './test-directories.js'

const directories = testDirectories()
after(() => directories.remove())
const { target, reference } = directories

// A plain directory conforms to itself: a case that fails here is wrong.
describe('a plain directory', () => registerConformance(test, { directory: target, reference }))

test('an expected failure that passes is a failure, and so is one that names no case', async () => {
  const name = selectCases({ filter: 'basic: ' })[0]
  const result = await runConformance({
    directory: target,
    reference,
    filter: name,
    expectedFailures: { [name]: 'it was thought to fail', 'no such: case': 'a slip' },
  })
  assert.deepEqual(result.passed, [])
  assert.deepEqual(result.failed.map((one) => one.name).sort(), [name, 'no such: case'].sort())
})

test('a case that fails is reported, or accepted where it is expected', async () => {
  // Said to be read-only, which it is not: every change succeeds.
  const writable = testDirectories()
  try {
    mkdirSync(join(writable.target, 'directory'))
    writeFileSync(join(writable.target, 'file'), 'content')
    const options = { directory: writable.target, reference, readOnly: true, filter: 'statfs' }
    const [name] = selectCases(options)
    const { failed } = await runConformance(options)
    assert.deepEqual(
      failed.map((one) => one.name),
      [name],
    )
    const { expected } = await runConformance({ ...options, expectedFailures: { [name]: 'it is writable' } })
    assert.deepEqual([expected[0].name, expected[0].reason], [name, 'it is writable'])
    const every = await runConformance({ ...options, filter: undefined })
    assert.equal(every.failed.length, 3)
    assert.match(every.failed[0].error, /expected EROFS/)
  } finally {
    writable.remove()
  }
})

test('a case whose capability is missing does not run, and says so', async () => {
  const [name] = selectCases({ filter: 'tmpfile: is a file' })
  const { notRun } = await runConformance({ directory: target, reference, filter: name, capabilities: [] })
  assert.equal(notRun.length, 1)
  assert.match(notRun[0].why, /tmpfile/)
})

test('nothing is left behind', () => {
  assert.deepEqual([readdirSync(target), readdirSync(reference)], [[], []])
})
