// A project's tree, made up but always the same, and the checksum of any tree.
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The same bytes for the same seed, which no compressor or cache makes cheap. */
export function randomBytes(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length)
  let state = seed >>> 0 || 1
  for (let at = 0; at + 4 <= length; at += 4) {
    // xorshift32
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes.writeUInt32LE(state >>> 0, at)
  }
  return bytes
}

const words = [
  'anchor',
  'bollard',
  'capstan',
  'deck',
  'fender',
  'galley',
  'hull',
  'keel',
  'mast',
  'quay',
  'rudder',
  'sail',
]

function sourceText(seed: number): string {
  const lines: string[] = []
  for (let line = 0; line < 20 + (seed % 60); line++) {
    const [a, b, c] = [0, 5, 9].map((shift) => words[(seed * 7 + line * 3 + shift) % words.length])
    lines.push(
      `export function ${a}${line}(${b}: number): number { return ${b} * ${line} + ${seed} } // ${c}`,
    )
  }
  return `${lines.join('\n')}\n`
}

/** Writes the project: packages with sources, a few binary files, links. Answers how many files. */
export function writeProject(root: string): number {
  let files = 0
  const put = (path: string, data: string | Buffer) => {
    const target = join(root, path)
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, data)
    files++
  }
  put('README.md', '# Quay\n\nA project that was made up.\n')
  for (const [number, name] of words.entries()) {
    const folder = `packages/${name}`
    put(`${folder}/package.json`, `${JSON.stringify({ name, version: '1.0.0', type: 'module' }, null, 2)}\n`)
    for (let file = 0; file < 24; file++)
      put(`${folder}/src/${words[file % 12]}-${file}.ts`, sourceText(number * 31 + file))
    put(`${folder}/assets/logo.bin`, randomBytes(64 * 1024 + number * 977, number + 1))
    symlinkSync('../../README.md', join(root, folder, 'README.md'))
  }
  return files
}

export interface TreeSum {
  hash: string
  files: number
  bytes: number
}

/** One checksum over names, kinds, link targets and contents. */
export function sumTree(root: string, skip: ReadonlySet<string> = new Set()): TreeSum {
  const hash = createHash('sha256')
  const sum = { files: 0, bytes: 0 }
  const walk = (folder: string) => {
    const entries = readdirSync(join(root, folder), { withFileTypes: true })
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = join(folder, entry.name)
      if (skip.has(path)) continue
      if (entry.isDirectory()) {
        hash.update(`d ${path}\0`)
        walk(path)
      } else if (entry.isSymbolicLink()) hash.update(`l ${path}\0${readlinkSync(join(root, path))}\0`)
      else {
        const data = readFileSync(join(root, path))
        hash.update(`f ${path}\0${data.length}\0`).update(data)
        sum.files++
        sum.bytes += data.length
      }
    }
  }
  walk('')
  return { hash: hash.digest('hex'), ...sum }
}
