import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { after, test } from 'node:test'
import type { OperationName } from './model/operations.js'
import { runModelChecker } from './model-checker.js'
import { testDirectories } from './test-directories.js'

const directories = testDirectories()
after(() => directories.remove())
const { target: directory, reference } = directories

test('two plain directories do not differ', async () => {
  const result = await runModelChecker({ directory, reference, seed: 1, sequences: 30, steps: 150 })
  assert.equal(result.failure, undefined)
  assert.deepEqual([result.sequences, result.operations], [30, 4500])
})

// What is dropped on one side, and how long the shortest sequence that shows it can be.
const faults: [OperationName, number][] = [
  ['chmod', 3],
  ['mkdir', 1],
  ['write', 2],
  ['rename', 2],
  ['link', 2],
  ['ftruncate', 2],
  ['mapWrite', 3],
  ['setxattr', 2],
]
for (const [drop, longest] of faults) {
  test(`a ${drop} that is lost on one side is found and shrunk to at most ${longest} operations`, async () => {
    const { failure } = await runModelChecker({
      directory,
      reference,
      seed: 7,
      sequences: 30,
      fault: { drop },
    })
    assert.ok(failure, 'a difference is found')
    assert.ok(failure.minimal.length <= longest, JSON.stringify(failure.minimal))
    assert.ok(failure.minimal.some((one) => one.op === drop))
    assert.notDeepEqual(failure.difference.target, failure.difference.reference)

    const replayed = await runModelChecker({ directory, reference, replay: failure.minimal, fault: { drop } })
    assert.deepEqual(replayed.failure?.difference, failure.difference)
    const repaired = await runModelChecker({ directory, reference, replay: failure.minimal })
    assert.equal(repaired.failure, undefined)
  })
}

test('the same seed gives the same sequence', async () => {
  const run = () =>
    runModelChecker({ directory, reference, seed: 3, sequences: 30, fault: { drop: 'symlink' } })
  const [one, two] = [await run(), await run()]
  assert.deepEqual(one, two)
})

test('nothing is left behind', () => {
  assert.deepEqual([readdirSync(directory), readdirSync(reference)], [[], []])
})
