import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The public suites that come from crates.io, each pinned: their case lists are part of what we compare. */
const VERSIONS = { pjdfstest: '0.2.2', fsx: '0.3.2' } as const

export type SuiteName = keyof typeof VERSIONS

/** Compiling takes longer than running, so only that is optimized which makes random bytes. */
const OPTIMIZED: Record<SuiteName, readonly string[]> = {
  pjdfstest: [],
  fsx: ['fsx', 'rand_core', 'rand_xorshift'],
}

/** The oldest Rust that builds them. */
const RUST_MINIMUM = [1, 85] as const

/** What the suites need besides their programs: data and C source that tsc does not copy. */
export const suitesFolder = fileURLToPath(new URL('../../suites/', import.meta.url))

const repository = fileURLToPath(new URL('../../../../', import.meta.url))

/** Built programs and the logs of failed runs; ignored by git. */
export const cacheFolder = join(repository, '.cache')

/** Why no suite can be built on this machine, or undefined when Rust is new enough. */
export function whyNoRust(): string | undefined {
  const cargo = findCargo()
  if (cargo === undefined) return 'Rust is not installed'
  // Beside cargo lies the rustc that it uses, unless the environment says otherwise.
  const beside = join(dirname(cargo), 'rustc')
  const rustc = process.env.RUSTC ?? (existsSync(beside) ? beside : 'rustc')
  const text = spawnSync(rustc, ['--version'], { encoding: 'utf8' }).stdout ?? ''
  const [, major, minor] = /^rustc (\d+)\.(\d+)/.exec(text) ?? []
  if (major === undefined) return 'rustc does not run'
  const [wantMajor, wantMinor] = RUST_MINIMUM
  const enough = Number(major) > wantMajor || (Number(major) === wantMajor && Number(minor) >= wantMinor)
  return enough ? undefined : `Rust ${major}.${minor} is older than ${RUST_MINIMUM.join('.')}`
}

/** The path of a suite's program, built from crates.io on first use. Throws when that fails. */
export async function suiteProgram(name: SuiteName): Promise<string> {
  const folder = join(cacheFolder, 'cargo')
  const program = join(folder, 'bin', name)
  const version = VERSIONS[name]
  if (installedVersion(program) === version) return program

  const missing = whyNoRust()
  if (missing !== undefined) throw new Error(`${name} cannot be built: ${missing}`)
  console.error(`building ${name} ${version} from crates.io (once; into ${folder})`)
  mkdirSync(folder, { recursive: true })
  const args = ['install', name, '--version', version, '--locked', '--force', '--quiet', '--root', folder]
  const profile = ['opt-level=0', ...OPTIMIZED[name].map((crate) => `package.${crate}.opt-level=2`)]
  const settings = profile.flatMap((setting) => ['--config', `profile.release.${setting}`])
  const cargo = spawn(findCargo()!, [...args, ...settings], { stdio: ['ignore', 'inherit', 'inherit'] })
  const [status] = await once(cargo, 'close')
  if (status !== 0) throw new Error(`cargo install ${name} failed`)
  if (installedVersion(program) !== version) throw new Error(`${program} is not ${name} ${version}`)
  return program
}

function installedVersion(program: string): string | undefined {
  if (!existsSync(program)) return undefined
  const text = spawnSync(program, ['--version'], { encoding: 'utf8' }).stdout ?? ''
  return /\S+ (\d+\.\d+\.\d+)/.exec(text)?.[1]
}

function findCargo(): string | undefined {
  const folders = (process.env.PATH ?? '').split(':').filter((folder) => folder !== '')
  folders.push(join(process.env.CARGO_HOME ?? join(homedir(), '.cargo'), 'bin'))
  return folders.map((folder) => join(folder, 'cargo')).find((file) => existsSync(file))
}
