// Many processes at once on a mount; afterwards the server holds nothing any more.
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { runStress } from '@hawser/test-kit'
import { emptied, needsRoot, Workspace } from '../test-support/workspace.js'

for (const options of [
  { cache: 'auto', passthrough: 'auto', locks: 'local' },
  { cache: 'never', passthrough: 'off', locks: 'source' },
  { cache: 'always', passthrough: 'off', locks: 'local' },
] as const)
  test(`eight processes, ${JSON.stringify(options)}`, needsRoot, async (t) => {
    const place = new Workspace(t)
    const server = await place.serve(place.ext4(1024), { allowOther: true, ...options })
    const before = await server.state()
    const { counts, problems } = await runStress({
      directory: server.mountpoint,
      processes: 8,
      operations: 700,
    })
    assert.deepEqual(problems, [])
    assert.ok(Object.values(counts).reduce((sum, count) => sum + count) > 5000)
    assert.deepEqual(readdirSync(server.mountpoint), ['lost+found'])

    const after = await emptied(server, (state) => state.nodes <= 2 && state.handles === 0)
    assert.ok(after.nodes <= 2, `${after.nodes} nodes: the root, and lost+found if it is in use`)
    assert.equal(after.handles, 0)
    assert.equal(after.kernelPassthrough, 0)
    assert.equal(after.inFlight, 0)
    // The threads' eventfds come with their first use.
    assert.ok(after.descriptors <= before.descriptors + 3, `${before.descriptors}, then ${after.descriptors}`)
  })
