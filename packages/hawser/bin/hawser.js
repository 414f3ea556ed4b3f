#!/usr/bin/env node
const { existsSync } = require('node:fs')
const { join } = require('node:path')

const words = process.argv.slice(2)

/** A mount that will probably go to the background, where every millisecond counts. A wrong guess costs some. */
function isBackgroundMount() {
  return (
    (words[0] === 'mount' || words[0] === 'mount-helper') &&
    words.length > 2 &&
    !process.env.HAWSER_FOREGROUND &&
    !words.some((word) => /^(--f|--h|-[fh])/.test(word))
  )
}

if (!existsSync(join(__dirname, '../dist/bundle/daemon.js.cache'))) {
  console.error('hawser: not built yet: run `npm ci` (or `npm run build`) in the project folder')
  process.exit(1)
}
if (isBackgroundMount()) require('./bundle.js')('background')
else import('../dist/cli/main.js')
