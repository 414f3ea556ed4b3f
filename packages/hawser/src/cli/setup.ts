import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MARK, type SetupFile, setupFiles } from './setup-files.js'
import { exitCodes, Failure, flag, has, type Verb } from './verb.js'

export const verb: Verb = {
  name: 'setup',
  usage: '[--remove] [--prefix DIR]',
  summary: 'Install mount -t hawser and a systemd unit',
  arguments: [],
  options: [
    { name: 'remove', kind: flag, explanation: 'Remove what setup has installed.' },
    {
      name: 'prefix',
      kind: { type: 'text', placeholder: 'DIR' },
      explanation: 'Write below DIR instead of /, for packages and tests; needs no root.',
    },
  ],
  details: () => `Installs:
${setupFiles(['hawser'])
  .map(({ path, gives }) => `  ${path.padEnd(38)} ${gives}`)
  .join('\n')}

The files name this Node and this copy of hawser: run setup again when either has moved.
`,
  async run(input) {
    const given = input.options.get('prefix')?.at(-1)
    const prefix = resolve(given ?? '/')
    if (given === undefined && process.geteuid!() !== 0) {
      throw new Failure(
        'setup writes to /sbin and /etc, which needs root: run it with sudo, or use --prefix DIR',
      )
    }
    const program = fileURLToPath(new URL('../../bin/hawser.js', import.meta.url))
    const files = setupFiles([process.execPath, program])
    const remove = has(input, 'remove')
    const changed = files.map((file) => (remove ? uninstall(prefix, file) : install(prefix, file)))
    if (given === undefined && changed.includes(true)) reloadSystemd()
    if (!remove) process.stdout.write(nextSteps(program))
    return exitCodes.ok
  },
}

/** The file's text; undefined: there is none. Throws where something else has that name. */
function existing(path: string): string | undefined {
  const status = lstatSync(path, { throwIfNoEntry: false })
  if (status === undefined) return undefined
  const text = status.isFile() ? readFileSync(path, 'utf8') : ''
  if (text.includes(MARK)) return text
  throw new Failure(`${path} exists and was not installed by hawser; move it away and run setup again`)
}

/** Whether anything was changed. */
function install(prefix: string, file: SetupFile): boolean {
  const path = join(prefix, file.path)
  if (existing(path) === file.text) {
    process.stdout.write(`${path} is up to date\n`)
    return false
  }
  try {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(`${path}.new`, file.text, { mode: file.mode })
    chmodSync(`${path}.new`, file.mode) // whatever the umask is
    renameSync(`${path}.new`, path)
  } catch (error) {
    throw new Failure(`cannot write ${path}: ${(error as NodeJS.ErrnoException).code}`)
  }
  process.stdout.write(`installed ${path}\n`)
  return true
}

function uninstall(prefix: string, file: SetupFile): boolean {
  const path = join(prefix, file.path)
  if (existing(path) === undefined) {
    process.stdout.write(`${path} is not there\n`)
    return false
  }
  rmSync(path)
  process.stdout.write(`removed ${path}\n`)
  return true
}

function reloadSystemd(): void {
  if (!existsSync('/run/systemd/system')) return
  const { status } = spawnSync('systemctl', ['daemon-reload'], { stdio: 'ignore' })
  if (status !== 0) process.stderr.write('hawser: systemd did not reload; run: systemctl daemon-reload\n')
}

function nextSteps(program: string): string {
  const passing = program.includes('/_npx/')
    ? `\nThis copy is npx's and may vanish: install hawser for good and run its setup.\n`
    : ''
  return `
  mount -t hawser /data /mnt/data -o ro

or a line of /etc/fstab:

  /data  /mnt/data  hawser  allow_other,nofail  0  0

or /etc/hawser/data.env with SOURCE=/data and MOUNTPOINT=/mnt/data, then: systemctl enable --now hawser@data
${passing}`
}
