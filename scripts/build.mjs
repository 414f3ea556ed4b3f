// The one build step: the native addons with a plain C compiler, TypeScript, then bundles of it. Downloads nothing.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, renameSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const require = createRequire(join(root, 'package.json'))

function run(command, args, env = process.env) {
  const result = spawnSync(command, args, { cwd: root, env, stdio: 'inherit' })
  if (result.error?.code === 'ENOENT')
    fail(
      `${command} is not installed; hawser's addon needs a C compiler (Debian: apt-get install gcc libc6-dev)`,
    )
  if (result.status !== 0) process.exit(result.status ?? 1)
}

function fail(message) {
  console.error(`build: ${message}`)
  process.exit(1)
}

const compiler = process.env.CC ?? 'cc'
const include = require('node-api-headers').include_dir

for (const name of ['fuse', 'test-kit']) {
  const folder = join(root, 'packages', name)
  const sources = readdirSync(join(folder, 'native'))
    .filter((file) => file.endsWith('.c'))
    .map((file) => join(folder, 'native', file))
  if (sources.length === 0) continue
  const headers = readdirSync(join(folder, 'native'))
    .filter((file) => file.endsWith('.h'))
    .map((file) => join(folder, 'native', file))
  const output = join(folder, 'build', 'native.node')
  const newest = Math.max(
    ...[...sources, ...headers, fileURLToPath(import.meta.url)].map((file) => statSync(file).mtimeMs),
  )
  if (existsSync(output) && statSync(output).mtimeMs > newest) continue
  mkdirSync(dirname(output), { recursive: true })
  // A running process keeps the file it loaded: the new one replaces the name, not the contents.
  const fresh = `${output}.${process.pid}`
  run(compiler, [
    '-std=gnu11',
    '-O2',
    '-g',
    '-fPIC',
    '-shared',
    '-fvisibility=hidden',
    '-pthread',
    '-Wall',
    '-Wextra',
    // A compiler newer than ours may warn of more: that is for CI to see, not for who installs.
    ...(process.env.CI ? ['-Werror'] : []),
    '-DNAPI_VERSION=8',
    `-I${include}`,
    '-o',
    fresh,
    ...sources,
  ])
  renameSync(fresh, output)
}

run(process.execPath, [join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc'), '-b'])
// In a process of its own, without options of Node: they are part of what is compared when compiled code is used.
const { NODE_OPTIONS: _, ...env } = process.env
run(process.execPath, [join(root, 'scripts/bundle.mjs')], env)
