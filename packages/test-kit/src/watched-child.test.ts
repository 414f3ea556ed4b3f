import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Hang, WatchedChild } from './watched-child.js'

// A child that does as it is told: answers, throws, ends, or never answers.
const script = `
import { answerParent } from ${JSON.stringify(new URL('./watched-child.js', import.meta.url).href)}
answerParent((message) => {
  if (message.end) process.exit(3)
  if (message.wrong) throw new Error('as told')
  if (message.loop) for (;;);
  return message
})`

test('a child answers, its errors are thrown, and one that ends or does not answer is a Hang', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'watched-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'child.mjs')
  writeFileSync(file, script)

  const child = new WatchedChild(file)
  assert.deepEqual(await child.ask({ a: 1n }, 30), { a: 1n })
  await assert.rejects(child.ask({ wrong: true }, 30), /as told/)
  assert.deepEqual(await child.ask({ b: 2 }, 30), { b: 2 })
  await assert.rejects(child.ask({ end: true }, 30), Hang)
  await assert.rejects(child.ask({ again: true }, 30), Hang)

  const looping = new WatchedChild(file)
  await looping.ask({ ready: true }, 30)
  await assert.rejects(looping.ask({ loop: true }, 0.2), (error: Error) => error instanceof Hang)
})
