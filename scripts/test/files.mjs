import { existsSync, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { root } from './paths.mjs'

/** What takes longest is started first, so that nothing long is left for the end. Nothing else depends on the order. */
const LONG = [
  'hawser/src/mount/conformance-',
  'hawser/src/mount/reopening',
  'hawser/src/mount/watch',
  'test-kit/src/conformance',
  'fuse/src/examples-memory',
  'hawser/src/mount/large-tree',
  'hawser/src/mount/stress',
  'hawser/src/mount/killed-server',
  'hawser/src/mount/locks',
  'test-kit/src/model-checker',
  'hawser/src/cli/background',
  'hawser/src/cli/demo',
]

/**
 * The compiled test files, relative to the repository, found by their sources: what an earlier build left of a
 * deleted test is not run.
 */
export function globTestFiles(patterns) {
  const packages = readdirSync(join(root, 'packages')).map((name) => join('packages', name))
  const files = [...packages, 'bench'].flatMap((folder) => {
    const source = join(root, folder, 'src')
    if (!existsSync(source)) return []
    return readdirSync(source, { recursive: true })
      .filter((name) => name.endsWith('.test.ts'))
      .map((name) => join(folder, 'dist', relative(source, join(source, name)).replace(/\.ts$/, '.js')))
  })
  const wanted = (file) =>
    patterns.length === 0 || patterns.some((pattern) => normal(file).includes(normal(pattern)))
  const rank = (file) => {
    const found = LONG.findIndex((part) => normal(file).includes(part))
    return found < 0 ? LONG.length : found
  }
  return files.filter(wanted).sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1))
}

/** Sources and what is compiled from them have the same name. */
function normal(path) {
  return path
    .replace(/^\.\//, '')
    .replace('/dist/', '/src/')
    .replace(/\.[jt]s$/, '')
}
