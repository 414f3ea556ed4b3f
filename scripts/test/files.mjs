import { existsSync, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { root } from './paths.mjs'

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
  return files.filter(wanted).sort()
}

/** Sources and what is compiled from them have the same name. */
function normal(path) {
  return path
    .replace(/^\.\//, '')
    .replace('/dist/', '/src/')
    .replace(/\.[jt]s$/, '')
}
