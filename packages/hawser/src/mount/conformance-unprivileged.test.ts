// The conformance suite and the model checker on mounts that a user who is not root makes with fusermount3.
import assert from 'node:assert/strict'
import { chownSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { ConformanceResult } from '@hawser/test-kit'
import { knownDifferences } from '../test-support/known-differences.js'
import { needsRoot, Workspace } from '../test-support/workspace.js'

const kit = (program: string) =>
  fileURLToPath(import.meta.resolve('@hawser/test-kit').replace('index.js', program))

for (const kind of ['ext4', 'tmpfs'] as const)
  for (const cache of ['never', 'auto'] as const)
    test(`${kind}, cache=${cache}`, needsRoot, async (t) => {
      const place = new Workspace(t)
      const base = place[kind]()
      const session = await place.unprivileged()
      const [source, reference] = ['source', 'reference'].map((name) => join(base, name))
      for (const path of [source, reference]) {
        mkdirSync(path)
        chownSync(path, session.uid, session.gid)
      }
      const server = await place.serveUnprivileged(session, source, { cache })
      const node = (program: string, ...args: string[]) =>
        session.run(process.execPath, [kit(program), server.mountpoint, '--reference', reference, ...args])
      const { stdout, stderr } = await node('conformance-cli.js', '--json')
      assert.equal(stderr, '')
      const result: ConformanceResult = JSON.parse(stdout)
      const expected = Object.keys(knownDifferences({ source: kind, cache, kernelPassthrough: false }))
      assert.deepEqual(
        result.failed.filter(({ name }) => !expected.includes(name)),
        [],
      )
      assert.deepEqual(result.failed.map(({ name }) => name).sort(), expected.sort())
      assert.ok(result.passed.length > 150, `${result.passed.length} passed`)
      // Without default_permissions the kernel opens a FIFO itself, whatever its mode (fuse_permission()).
      const random = ['--seed', '1', '--sequences', '5', '--steps', '150', '--without', 'mkfifo']
      const model = await node('model-checker-cli.js', ...random)
      assert.equal(model.code, 0, model.stdout)
    })
