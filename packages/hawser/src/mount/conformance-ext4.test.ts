// The conformance suite and the model checker on mounts of an ext4, by root.
import { test } from 'node:test'
import { conforms, title } from '../test-support/conformance.js'
import { needsRoot } from '../test-support/workspace.js'

for (const cache of ['never', 'auto', 'always'] as const)
  for (const passthrough of ['off', 'auto'] as const) {
    const combination = { source: 'ext4', cache, passthrough } as const
    test(title(combination), needsRoot, (t) => conforms(t, combination))
  }
