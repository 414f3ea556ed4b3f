#!/usr/bin/env node
// Remakes fixtures/wire-<version>.jsonl: node packages/fuse/scripts/make-wire.mjs /path/to/fuse.h
// The header is include/uapi/linux/fuse.h of a Linux tree (libfuse carries it as include/fuse_kernel.h).
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const [given] = process.argv.slice(2)
if (!given) {
  console.error('usage: make-wire.mjs /path/to/fuse.h')
  process.exit(2)
}
const header = resolve(given)
const fixtures = fileURLToPath(new URL('../fixtures', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'hawser-wire-'))
try {
  // Every constant of the header: macros without arguments that have a value, and enumerators.
  const text = readFileSync(header, 'utf8').replace(/\/\*[\s\S]*?\*\//g, '')
  const names = new Set()
  for (const [, name, value] of text.matchAll(/^#define\s+(F[A-Z_0-9]+)[ \t]+(\S.*)$/gm))
    if (!/sizeof|offsetof/.test(value)) names.add(name)
  for (const [, body] of text.matchAll(/enum\s+\w+\s*\{([^}]*)\}/g))
    for (const [, name] of body.matchAll(/^\s*(F[A-Z_0-9]+)\s*=/gm)) names.add(name)
  names.delete('FUSE_REMOVEMAPPING_MAX_ENTRY')
  writeFileSync(join(folder, 'names.h'), [...names].map((name) => `NAME(${name})\n`).join(''))
  const program = join(folder, 'wire')
  execFileSync(
    process.env.CC ?? 'cc',
    [
      '-std=gnu11',
      '-Wall',
      '-Wextra',
      '-Werror',
      '-O1',
      `-DFUSE_HEADER="${header}"`,
      `-DFUSE_NAMES="${join(folder, 'names.h')}"`,
      '-o',
      program,
      join(fixtures, 'wire.c'),
    ],
    { stdio: 'inherit' },
  )
  const made = execFileSync(program, { encoding: 'utf8', maxBuffer: 1 << 26 })
  const [first, ...frames] = made.trimEnd().split('\n')
  const { origin } = JSON.parse(first)
  const [, version] = /protocol ([\d.]+)/.exec(origin)
  const output = join(fixtures, `wire-${version}.jsonl`)
  writeFileSync(output, made)
  console.log(`${output}: ${frames.length} frames, ${names.size} constants`)
} finally {
  rmSync(folder, { recursive: true })
}
