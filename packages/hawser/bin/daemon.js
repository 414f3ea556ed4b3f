// The background process that serves a mount: src/daemon/main.ts.
const { writeSync } = require('node:fs')

try {
  require('./bundle.js')('daemon')
} catch ({ message, stack }) {
  // A StartReport: the addon cannot be loaded.
  writeSync(3, `${JSON.stringify({ ok: false, message, stack })}\n`)
  process.exitCode = 1
}
