import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ProgramResult, runProgram } from './process.js'
import { cacheFolder, suiteProgram, suitesFolder } from './programs.js'

/**
 * plain: system calls alone; mmap: with mapped reads and writes among them; direct: O_DIRECT;
 * passthrough: as mmap, meant for a mount whose data the kernel passes through.
 */
export type FsxMode = 'plain' | 'mmap' | 'direct' | 'passthrough'

export const FSX_MODES: readonly FsxMode[] = ['plain', 'mmap', 'direct', 'passthrough']

export interface FsxOptions {
  /** A directory of the filesystem under test. */
  readonly directory: string
  readonly mode: FsxMode
  readonly operations: number
  readonly seed: number
}

export interface FsxResult {
  readonly mode: FsxMode
  readonly seed: number
  readonly operations: number
  readonly passed: boolean
  /** The failure, and where its log is. */
  readonly detail: string
}

/**
 * fsx 0.3.2 never unmaps what it mapped to read, and the kernel allows a process 65 530 mappings; so a long
 * run is several, on seeds that follow each other.
 */
const OPERATIONS_PER_RUN = 50_000

/** Runs crates.io's fsx: random operations on one file, each read compared with what was written. */
export async function runFsx(options: FsxOptions): Promise<FsxResult> {
  const { mode, operations } = options
  for (let done = 0, seed = options.seed; done < operations; done += OPERATIONS_PER_RUN, seed++) {
    const count = Math.min(OPERATIONS_PER_RUN, operations - done)
    const detail = await runOnce(options.directory, mode, count, seed)
    if (detail !== undefined) return { mode, operations: done + count, seed, passed: false, detail }
  }
  return { mode, operations, seed: options.seed, passed: true, detail: '' }
}

async function runOnce(directory: string, mode: FsxMode, operations: number, seed: number) {
  const program = await suiteProgram('fsx')
  const work = mkdtempSync(join(realpathSync(directory), 'fsx-'))
  const artifacts = mkdtempSync(join(tmpdir(), 'hawser-fsx-'))
  try {
    const configuration = join(artifacts, 'fsx.toml')
    const file = join(work, 'file')
    writeFileSync(configuration, configurationText(mode))
    const args = ['-f', configuration, '-P', artifacts, '-N', `${operations}`, '-S', `${seed}`, file]
    const direct = mode === 'direct' ? { LD_PRELOAD: openDirectLibrary(), OPEN_DIRECT_FILE: file } : {}
    const env = { RUST_BACKTRACE: '0', ...direct }
    const result = await runProgram(program, args, { env, timeoutSeconds: 600 + operations / 50 })
    const reason = failure(result) ?? (mode === 'direct' ? notDirect(result.stderr) : undefined)
    if (reason === undefined) return undefined

    const log = join(cacheFolder, 'suites', `fsx-${mode}-${seed}.log`)
    mkdirSync(join(cacheFolder, 'suites'), { recursive: true })
    writeFileSync(log, `fsx ${args.join(' ')}\n${configurationText(mode)}\n${result.stdout}${result.stderr}`)
    return `${reason}; log: ${log}`
  } finally {
    rmSync(artifacts, { recursive: true, force: true })
    rmSync(work, { recursive: true, force: true })
  }
}

function failure({ code, signal, stdout, stderr, timedOut }: ProgramResult): string | undefined {
  if (timedOut) return 'it does not end'
  if (code === 0 && stdout.includes('All operations completed')) return undefined
  // The first lines name the failure; the log of operations follows.
  const lines = stderr.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('open-direct'))
  const first = lines[0]?.includes('panicked at') ? `${lines[0]} ${lines[1]}` : lines[0]
  return first?.trim() ?? `ended by ${signal ?? 'an error without a message'}`
}

function notDirect(stderr: string): string | undefined {
  const [, opens, reads, writes] = /^open-direct: (\d+) opens, (\d+) reads, (\d+) writes$/m.exec(stderr) ?? []
  const direct = Number(opens) > 0 && Number(reads) > 0 && Number(writes) > 0
  return direct ? undefined : 'the file was not opened, read and written with O_DIRECT'
}

function configurationText(mode: FsxMode): string {
  const mapped = mode === 'mmap' || mode === 'passthrough' ? 10 : 0
  const direct = mode === 'direct'
  // Sizes pass the 128 KiB that is FUSE's default for one request. fsx takes 0 bytes for a failure of
  // posix_fallocate, which aligning makes of short ones: so never with O_DIRECT.
  return `flen = 1048576
[opsize]
max = 196608
min = ${direct ? 4096 : 1}
align = ${direct ? 4096 : 1}
[weights]
read = 10
write = 10
mapread = ${mapped}
mapwrite = ${mapped}
invalidate = ${mapped / 10}
truncate = 5
close_open = 1
fsync = 0.2
fdatasync = 0.2
posix_fallocate = ${direct ? 0 : 2}
punch_hole = 2
sendfile = 2
posix_fadvise = 1
copy_file_range = 2
`
}

/** fsx has no option for O_DIRECT: a small library, compiled on first use, opens its file so. */
function openDirectLibrary(): string {
  const source = join(suitesFolder, 'open-direct.c')
  const library = join(cacheFolder, 'suites', 'open-direct.so')
  if (existsSync(library) && statSync(library).mtimeMs > statSync(source).mtimeMs) return library
  mkdirSync(join(cacheFolder, 'suites'), { recursive: true })
  const fresh = `${library}.${process.pid}`
  const args = ['-O2', '-Wall', '-Wextra', '-Werror', '-fPIC', '-shared', '-o', fresh, source, '-ldl']
  const compiled = spawnSync(process.env.CC ?? 'cc', args, { encoding: 'utf8' })
  if (compiled.status !== 0) throw new Error(`open-direct.c does not compile: ${compiled.stderr}`)
  renameSync(fresh, library)
  return library
}
