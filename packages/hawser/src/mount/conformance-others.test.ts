// The conformance suite and the model checker on mounts of a tmpfs and an overlay, by root.
import { test } from 'node:test'
import { type Combination, conforms, title } from '../test-support/conformance.js'
import { needsRoot } from '../test-support/workspace.js'

const combinations: Combination[] = [
  { source: 'tmpfs', cache: 'never', passthrough: 'off' },
  { source: 'tmpfs', cache: 'auto', passthrough: 'auto' },
  { source: 'tmpfs', cache: 'always', passthrough: 'off' },
  { source: 'overlay', cache: 'auto', passthrough: 'auto' },
  { source: 'overlay', cache: 'never', passthrough: 'off' },
]
for (const combination of combinations) test(title(combination), needsRoot, (t) => conforms(t, combination))
