import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import type { Options } from './options.js'
import { run, start, which } from './processes.js'

/** Where a program is, or why it is not there: shown in the table instead of numbers. */
export type Located = { path: string; help?: string } | { missing: string }

export interface Tools {
  client: string
  libfuseMemory: Located
  passthroughLl: Located
  passthroughHp: Located
  /** Our memory server on a libfuse with io_uring. */
  uringMemory: Located
  /** A passthrough server on a libfuse with io_uring. */
  uringPassthrough: Located
  bindfs: Located
  rclone: Located
  hawser: Located
  memoryServer: Located
}

const bench = dirname(dirname(fileURLToPath(import.meta.url)))
const build = join(bench, 'build')
const examples = '/usr/share/doc/libfuse3-dev/examples'

export const repository = dirname(bench)

/** Compiles what is missing and finds the rest. Only as root, and only if allowed, are packages installed. */
export async function prepareTools(options: Options, say: (line: string) => void): Promise<Tools> {
  mkdirSync(build, { recursive: true })
  const compiler = which(process.env.CC ?? 'cc')
  if (!compiler)
    throw new Error('no C compiler: the measuring client is a C program (Debian: apt-get install gcc)')
  const client = await compile(compiler, 'client', join(bench, 'native', 'client.c'))

  await install(options, say)
  const located: Tools = {
    client,
    libfuseMemory: await attempt(async () =>
      compile(compiler, 'libfuse-memory', join(bench, 'native', 'libfuse-memory.c'), await libfuseFlags()),
    ),
    passthroughLl: await passthroughLl(options, compiler),
    passthroughHp: given(options.passthroughHp ?? which('passthrough_hp'), '--passthrough-hp PATH not given'),
    uringMemory: { missing: '--libfuse-uring PATH not given' },
    uringPassthrough: { missing: '--libfuse-uring PATH not given' },
    bindfs: await withHelp(given(which('bindfs'), 'bindfs is not installed')),
    rclone: given(which('rclone'), 'rclone is not installed'),
    hawser: given(
      options.hawser ??
        builtFile(
          join(repository, 'packages/hawser/bin/hawser.js'),
          join(repository, 'packages/hawser/dist/cli/main.js'),
        ),
      'hawser is not built (npm run build)',
    ),
    memoryServer: given(
      builtFile(join(bench, 'dist/servers/memory-server.js'), join(repository, 'packages/fuse/dist')),
      'memory server is not built (npm run build)',
    ),
  }
  if (options.libfuseUring) await locateUring(options.libfuseUring, options, compiler, located)
  return located
}

/** Installs what the baselines need; a benchmark without its yardstick says nothing. */
async function install(options: Options, say: (line: string) => void): Promise<void> {
  const wanted = []
  if (!existsSync('/usr/include/fuse3/fuse_lowlevel.h')) wanted.push('libfuse3-dev')
  if (!which('fusermount3')) wanted.push('fuse3')
  if (wanted.length === 0) return
  const command = `apt-get install -y --no-install-recommends ${wanted.join(' ')}`
  if (!options.install || process.getuid?.() !== 0 || !which('apt-get')) {
    say(`missing for the libfuse baselines: ${wanted.join(', ')} (as root: ${command})`)
    return
  }
  say(`installing ${wanted.join(' and ')}, for the libfuse baselines: ${command}`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const argv = command.split(' ')
  await run(argv, { timeoutMs: 300_000, env })
    .catch(async () => {
      await run(['apt-get', 'update', '-q'], { timeoutMs: 300_000, env })
      await run(argv, { timeoutMs: 300_000, env })
    })
    .catch((error: Error) => say(`not installed: ${error.message}`))
}

async function libfuseFlags(): Promise<string[]> {
  if (which('pkg-config')) {
    const flags = await run(['pkg-config', '--cflags', '--libs', 'fuse3']).catch(() => undefined)
    if (flags) return flags.stdout.trim().split(/\s+/)
  }
  return ['-I/usr/include/fuse3', '-lfuse3', '-lpthread']
}

/** Debian ships passthrough_ll as an example's source beside the library's headers. */
async function passthroughLl(options: Options, compiler: string): Promise<Located> {
  if (options.passthroughLl) return given(options.passthroughLl, '')
  const found = which('passthrough_ll')
  if (found) return { path: found }
  return attempt(async () => {
    for (const name of ['passthrough_ll.c', 'passthrough_helpers.h']) {
      const copy = join(build, name)
      const plain = join(examples, name)
      if (existsSync(plain)) writeIfChanged(copy, readFileSync(plain))
      else if (existsSync(`${plain}.gz`)) writeIfChanged(copy, gunzipSync(readFileSync(`${plain}.gz`)))
      else throw new Error(`no ${plain}: give --passthrough-ll PATH`)
    }
    return compile(compiler, 'passthrough_ll', join(build, 'passthrough_ll.c'), await libfuseFlags(), ['-w'])
  })
}

async function locateUring(path: string, options: Options, compiler: string, tools: Tools): Promise<void> {
  if (!existsSync(path)) {
    tools.uringMemory = tools.uringPassthrough = { missing: `${path} does not exist` }
  } else if (!statSync(path).isDirectory()) {
    tools.uringMemory = { missing: '--libfuse-uring is a program, not an installed libfuse' }
    tools.uringPassthrough = given(path, '')
  } else {
    const libraries = ['lib', 'lib64', 'lib/x86_64-linux-gnu', 'lib/aarch64-linux-gnu'].map((name) =>
      join(path, name),
    )
    const library = libraries.find((folder) => existsSync(join(folder, 'libfuse3.so'))) ?? join(path, 'lib')
    const flags = [`-I${path}/include/fuse3`, `-L${library}`, `-Wl,-rpath,${library}`, '-lfuse3', '-lpthread']
    tools.uringMemory = await attempt(() =>
      compile(compiler, 'libfuse-uring-memory', join(bench, 'native', 'libfuse-memory.c'), flags),
    )
    tools.uringPassthrough = given(
      options.passthroughHp ?? [join(path, 'bin/passthrough_hp')].find(existsSync),
      `no passthrough_hp in ${path}/bin, and --passthrough-hp PATH not given`,
    )
  }
}

async function withHelp(located: Located): Promise<Located> {
  if ('missing' in located) return located
  const { ended } = start([located.path, '--help'])
  const { stdout, stderr } = await ended
  return { ...located, help: stdout + stderr }
}

async function compile(
  compiler: string,
  name: string,
  source: string,
  libraries: string[] = [],
  warnings: string[] = ['-Wall', '-Wextra'],
): Promise<string> {
  const output = join(build, name)
  // The flags belong to the result: another libfuse gives another program.
  const key = `${output}.flags`
  const flags = ['-std=gnu11', '-O2', ...warnings, ...libraries].join(' ')
  const current =
    existsSync(output) &&
    existsSync(key) &&
    readFileSync(key, 'utf8') === flags &&
    statSync(output).mtimeMs > statSync(source).mtimeMs
  if (!current) {
    const fresh = `${output}.${process.pid}`
    await run([compiler, '-std=gnu11', '-O2', ...warnings, '-o', fresh, source, ...libraries])
    renameSync(fresh, output)
    writeFileSync(key, flags)
  }
  return output
}

async function attempt(locate: () => Promise<string>): Promise<Located> {
  try {
    return { path: await locate() }
  } catch (error) {
    return { missing: (error as Error).message.split('\n')[0] }
  }
}

function given(path: string | undefined, reason: string): Located {
  if (path === undefined) return { missing: reason }
  return existsSync(path) ? { path } : { missing: `${path} does not exist` }
}

function builtFile(path: string, needs: string): string | undefined {
  return existsSync(path) && existsSync(needs) ? path : undefined
}

function writeIfChanged(path: string, content: Buffer): void {
  if (!existsSync(path) || !readFileSync(path).equals(content)) writeFileSync(path, content)
}
