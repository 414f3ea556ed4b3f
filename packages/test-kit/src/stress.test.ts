import assert from 'node:assert/strict'
import { readdirSync, unlinkSync } from 'node:fs'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { runStress } from './stress.js'
import { testDirectories } from './test-directories.js'

const directories = testDirectories()
after(() => directories.remove())
const directory = directories.target

test('a plain directory stands the stress and is empty again afterwards', async () => {
  const { counts, problems } = await runStress({ directory, processes: 4, operations: 300 })
  assert.deepEqual(problems, [])
  for (const name of ['write', 'rename over', 'append', 'count under lock', 'read shared']) {
    assert.ok(counts[name] > 0, `${name} was done`)
  }
  assert.deepEqual(readdirSync(directory), [])
})

test('a file that vanishes meanwhile is noticed', async () => {
  const running = runStress({ directory, processes: 2, operations: 300 })
  let removed = false
  for (let tries = 0; tries < 10_000 && !removed; tries++) {
    try {
      unlinkSync(`${directory}/${readdirSync(directory)[0]}/shared/permanent-7`)
      removed = true
    } catch {
      await sleep(1)
    }
  }
  const { problems } = await running
  assert.ok(removed)
  assert.ok(
    problems.some((problem) => problem.includes('permanent file')),
    problems.join('\n'),
  )
})
