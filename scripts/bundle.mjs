// The two processes of `hawser mount`, each as one file beside the compiled code, with what V8 makes of it: loading a
// hundred files, and compiling them, takes longer than all the rest of a mount. bin/bundle.js runs them.
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { Script } from 'node:vm'
import { rolldown } from 'rolldown'

const dist = join(dirname(fileURLToPath(import.meta.url)), '../packages/hawser/dist')
const folder = join(dist, 'bundle')
const fresh = `${folder}.new`

const fuse = dirname(dirname(fileURLToPath(import.meta.resolve('@hawser/fuse'))))
const contains = (parent, file) => !relative(parent, file).startsWith('..')

/** Modules keep their places: what they say of themselves, and what they import on demand, which stays outside. */
const places = {
  name: 'places',
  resolveId(source, importer, { kind }) {
    if (kind !== 'dynamic-import' || !source.startsWith('.')) return undefined
    if (!contains(dist, importer))
      throw new Error(`${importer} imports ${source} on demand: not from a bundle`)
    return { id: relative(folder, resolve(dirname(importer), source)), external: true }
  },
  transform(code, id) {
    const [base, place] = contains(fuse, id)
      ? ['__fuse', relative(fuse, id)]
      : ['__dirname', relative(folder, id)]
    const file = `require('node:path').join(${base}, ${JSON.stringify(place)})`
    return code
      .replaceAll('import.meta.dirname', `require('node:path').dirname(${file})`)
      .replaceAll('import.meta.url', `require('node:url').pathToFileURL(${file}).href`)
  },
}

async function bundle(name, input) {
  const build = await rolldown({
    input: join(dist, input),
    platform: 'node',
    tsconfig: false,
    treeshake: { moduleSideEffects: false },
    plugins: [places],
  })
  const { output } = await build.generate({ format: 'cjs', codeSplitting: false })
  if (output.length !== 1) throw new Error(`${name} is more than one file`)
  const code = output[0].code
    // Code from a cache has no import() of its own.
    .replaceAll(/\bimport\((?=['"])/g, '__import(')
    // ASCII: a byte a character, in the file and in memory.
    .replace(/[^\0-\x7f]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
  const filename = join(folder, `${name}.js`)
  const source = `(function (require, __import, __dirname, __fuse) {${code}\n})`
  writeFileSync(join(fresh, `${name}.js`), source)
  writeFileSync(join(fresh, `${name}.js.cache`), compile(source, filename))
}

/** V8's code for every function, not only for those that it expects to be called soon. */
function compile(source, filename) {
  setFlagsFromString('--no-lazy')
  const script = new Script(source, { filename })
  // The flags are part of what is compared when the code is used.
  setFlagsFromString('--lazy')
  return script.createCachedData()
}

rmSync(fresh, { recursive: true, force: true })
mkdirSync(fresh)
await bundle('background', 'cli/background.js')
await bundle('daemon', 'daemon/main.js')
// Both at once: what is compiled belongs to its source, and of that V8 compares the length only.
rmSync(folder, { recursive: true, force: true })
renameSync(fresh, folder)
