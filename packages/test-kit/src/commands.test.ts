import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { testDirectories } from './test-directories.js'

const directories = testDirectories()
after(() => directories.remove())
const { target, reference } = directories

function command(name: string, ...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const script = fileURLToPath(new URL(`./${name}-cli.js`, import.meta.url))
  return new Promise((resolve) => {
    execFile(process.execPath, [script, ...args], (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    )
  })
}

test('the commands explain themselves when they are called wrongly', async () => {
  for (const name of ['conformance', 'model-checker', 'stress']) {
    const { code, stderr } = await command(name)
    assert.equal(code, 2)
    assert.match(stderr, new RegExp(`Usage: ${name}-cli.js DIRECTORY`))
  }
})

test('conformance prints JSON, and lines with a summary', async () => {
  const args = [target, '--reference', reference, '--filter', 'append: ']
  const json = await command('conformance', ...args, '--json')
  const result = JSON.parse(json.stdout)
  assert.equal(json.code, 0, json.stderr)
  assert.equal(result.passed.length, 7)
  assert.deepEqual([result.failed, result.expected, result.notRun], [[], [], []])
  const lines = await command('conformance', ...args)
  assert.match(lines.stdout, /^ok {3}append: four processes/m)
  assert.match(lines.stdout, /7 passed, 0 failed/)
})

test('the model checker replays a sequence from a file', async () => {
  const file = `${directories.reference}/sequence.json`
  writeFileSync(file, JSON.stringify([{ op: 'mkdir', path: 'a', mode: 0o755 }]))
  const same = await command('model-checker', target, '--reference', reference, '--replay', file)
  assert.equal(same.code, 0, same.stdout)
  assert.match(same.stdout, /1 sequences, 1 operations: no difference/)
})

test('the stress test says what it did', async () => {
  const { code, stdout } = await command(
    'stress',
    target,
    '--processes',
    '2',
    '--operations',
    '50',
    '--seed',
    '5',
  )
  assert.equal(code, 0, stdout)
  assert.match(stdout, /^seed 5: \d+ calls, 0 problems/)
})
