// docs/fuse and the package's README: complete, and what is code in them compiles.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import * as fuse from './index.js'

const packageFolder = fileURLToPath(new URL('..', import.meta.url))
const docs = resolve(packageFolder, '../../docs/fuse')
const read = (path: string) => readFileSync(path, 'utf8')
const pages = [
  ...['guide', 'api', 'protocol', 'comparison'].map((name) => join(docs, `${name}.md`)),
  join(packageFolder, 'README.md'),
]

/** The names that a declaration file exports, those of the modules that it exports from among them. */
function exportsOf(file: string): Set<string> {
  const names = new Set<string>()
  const text = read(file)
  for (const [, from] of text.matchAll(/^export (?:type )?\* from '(.*)\.js'/gm))
    for (const name of exportsOf(join(dirname(file), `${from}.d.ts`))) names.add(name)
  for (const [, list] of text.matchAll(/^export (?:type )?\{([^}]*)\}/gm))
    for (const item of list.split(',')) {
      const name = item
        .replace(/^\s*type\s/, '')
        .split(/\sas\s/)
        .at(-1)
        ?.trim()
      if (name) names.add(name)
    }
  const declaration = /^export (?:declare )?(?:abstract )?(?:class|interface|type|const|function) ([\w$]+)/gm
  for (const [, name] of text.matchAll(declaration)) names.add(name)
  return names
}

const exported = exportsOf(join(packageFolder, 'dist/index.d.ts'))

test('the names of values are among those found in the declarations', () => {
  assert.deepEqual(
    Object.keys(fuse).filter((name) => !exported.has(name)),
    [],
  )
  assert.ok(exported.has('PathOperations') && exported.has('Filesystem'), 'types are found as well')
})

test('api.md has every export', () => {
  const page = read(join(docs, 'api.md'))
  const documented = new Set([...page.matchAll(/`([A-Za-z_$][\w$]*)/g)].map(([, name]) => name))
  assert.deepEqual([...exported].filter((name) => !documented.has(name)).sort(), [])
})

test('what api.md has a heading for is exported', () => {
  const headings = [...read(join(docs, 'api.md')).matchAll(/^### (.*)$/gm)].map(([, heading]) => heading)
  const names = headings.flatMap((heading) => [...heading.matchAll(/`(\w+)/g)].map(([, name]) => name))
  assert.ok(names.length > 50)
  assert.deepEqual(
    names.filter((name) => !exported.has(name)),
    [],
  )
})

test('api.md has every option and feature, and every method of inodes and paths', () => {
  const page = read(join(docs, 'api.md'))
  const sections: [heading: string, file: string, type: string][] = [
    ['`DeviceOptions`', 'device/mount-options', 'DeviceOptions'],
    ['`MountFlags`', 'device/mount-options', 'MountFlags'],
    ['`SessionOptions`', 'session/session', 'SessionOptions'],
    ['`Features`', 'session/negotiate', 'Features'],
    ['`Inode`', 'node/inode', 'Inode'],
    ['`InodeInit`', 'node/inode', 'InodeInit'],
    ['`AttributeChanges`', 'node/inode', 'AttributeChanges'],
    ['`PathOperations`', 'node/path-filesystem', 'PathOperations'],
    ['`TreeOptions`', 'node/tree-filesystem', 'TreeOptions'],
    ['`Notifier`', 'filesystem', 'Notifier'],
    ['`Host`', 'filesystem', 'Host'],
  ]
  for (const [heading, file, type] of sections) {
    const section = page.split(`\n### ${heading}\n`)[1]?.split(/\n##+ /)[0]
    assert.ok(section, heading)
    const declaration = read(join(packageFolder, `dist/${file}.d.ts`))
    const start = declaration.search(new RegExp(`(interface|class) ${type}\\b`))
    const body = declaration.slice(start, declaration.indexOf('\n}', start))
    const members = [...body.matchAll(/^ {4}(?:readonly |get )?(\w+)\??[:(]/gm)].map(([, name]) => name)
    const missing = members.filter(
      (name) => name !== 'constructor' && !new RegExp(`\\b${name}\\b`).test(section),
    )
    assert.ok(members.length > 2, `${type} has members`)
    assert.deepEqual(missing, [], type)
  }
})

test('protocol.md has every operation, method, notification and INIT flag, and names no other', () => {
  const page = read(join(docs, 'protocol.md'))
  const section = (heading: string) => page.split(`\n## ${heading}\n`)[1].split('\n## ')[0]
  const names = (text: string) =>
    [...text.matchAll(/^\| ([A-Z][A-Z0-9_, ]*) \|/gm)].flatMap(([, cell]) => cell.split(', '))
  assert.deepEqual(names(section('Operations')).sort(), Object.keys(fuse.Opcode).sort())
  assert.deepEqual(names(section('Notifications')).sort(), Object.keys(fuse.Notification).sort())
  const flags = [...Object.keys(fuse.InitFlag), ...Object.keys(fuse.InitFlag2)]
  assert.deepEqual(names(section('INIT flags')).sort(), flags.sort())
  const declaration = read(join(packageFolder, 'dist/filesystem.d.ts'))
  const filesystem = declaration.slice(
    declaration.indexOf('interface Filesystem'),
    declaration.indexOf('\n}'),
  )
  for (const [, method] of filesystem.matchAll(/^ {4}(\w+)\?\(/gm))
    assert.match(section('Operations'), new RegExp(`\`${method}\``), method)
})

test('protocol.md says truly by which bytes each operation is proved', () => {
  const operations = (file: string) =>
    new Set(
      read(join(packageFolder, 'fixtures', file))
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { operation?: string; request?: string; kind?: string })
        .filter(({ request, kind }) => request !== undefined || kind === 'request')
        .map(({ operation }) => operation as string),
    )
  const all = Object.keys(fuse.Opcode)
  const [recorded, made] = [operations('recorded-6.18.jsonl'), operations('wire-7.45.jsonl')]
  assert.deepEqual(
    all.filter((name) => !recorded.has(name)),
    ['SYNCFS'],
  )
  assert.deepEqual(
    all.filter((name) => !made.has(name)),
    [],
  )
})

test('README begins with the example hello', () => {
  const [, block] = read(join(packageFolder, 'README.md')).split(/```ts\n|```\n/)
  const example = read(join(packageFolder, 'examples/hello.ts'))
  assert.equal(block, example.slice(example.indexOf('\n') + 1))
})

test('links lead somewhere', () => {
  const anchor = (heading: string) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-')
  for (const page of pages)
    for (const [, link] of read(page).matchAll(/\]\(([^)]+)\)/g)) {
      if (/^https?:/.test(link)) continue
      const [path, fragment] = link.split('#')
      const target = path ? resolve(dirname(page), path) : page
      assert.ok(existsSync(target), `${page}: ${link}`)
      if (!fragment) continue
      const headings = [...read(target).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchor(heading))
      assert.ok(headings.includes(fragment), `${page}: ${link}`)
    }
})

test('every block of TypeScript compiles', async (t) => {
  const blocks = pages.flatMap((page) =>
    [...read(page).matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code),
  )
  assert.ok(blocks.length > 8)
  // Within the package, so that its own name is found.
  const parent = join(packageFolder, 'dist')
  mkdirSync(parent, { recursive: true })
  const folder = mkdtempSync(join(parent, 'documentation-'))
  t.after(() => rmSync(folder, { recursive: true }))
  for (const [index, code] of blocks.entries())
    writeFileSync(join(folder, `block${index}.ts`), `${code}\nexport {}\n`)
  const compilerOptions = { noEmit: true, composite: false, noUnusedLocals: false, declaration: false }
  const base = resolve(packageFolder, '../../tsconfig.base.json')
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ extends: base, compilerOptions, include: ['*.ts'] }),
  )
  const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc')
  const output = await new Promise<string>((done) => {
    execFile(process.execPath, [compiler, '-p', folder], (_error, stdout) => done(stdout))
  })
  assert.equal(output, '')
})
