// What runs instead of main.ts for a mount that will probably go to the background: the same, without what others need.
// What is imported here is in the bundle (scripts/bundle.mjs); what is imported later, on demand, is not.
import { launchEarly } from '../daemon/spawn.js'
import { verb as mount } from './mount.js'
import { verb as mountHelper } from './mount-helper.js'
import { exitWith, runVerb } from './run.js'

const [name, ...words] = process.argv.slice(2)
launchEarly(words)
void exitWith(
  name === 'mount' ? runVerb(mount, words) : mountHelper.run({ arguments: words, options: new Map() }),
)
