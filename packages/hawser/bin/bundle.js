const { existsSync, readFileSync } = require('node:fs')
const { join } = require('node:path')
const { pathToFileURL } = require('node:url')
const { Script } = require('node:vm')

/** Runs a program that scripts/bundle.mjs has made: one file and what V8 made of it, so that nothing is compiled here. */
module.exports = (program) => {
  const folder = join(__dirname, '../dist/bundle')
  const filename = join(folder, `${program}.js`)
  const script = new Script(readFileSync(filename, 'latin1'), {
    filename,
    // Another Node than the one that built refuses it, and compiles.
    cachedData: readFileSync(`${filename}.cache`),
  })
  const importModule = (path) => import(pathToFileURL(join(folder, path)).href)
  // As require.resolve() finds it, which takes 4 ms.
  const name = '@hawser/fuse'
  const fuse = require.resolve
    .paths(name)
    .map((modules) => join(modules, name))
    .find(existsSync)
  script.runInThisContext()(require, importModule, folder, fuse)
}
