import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { FSX_MODES, type FsxMode, runFsx } from './fsx.js'
import { runPjdfstest } from './pjdfstest.js'
import { printFsx, printPjdfstest } from './print.js'

const USAGE = `usage:
  main.js pjdfstest --beneath DIRECTORY --mount DIRECTORY [PATTERN...]
  main.js fsx --directory DIRECTORY [--mode plain|mmap|direct|passthrough]... [--operations N] [--seed N]`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    beneath: { type: 'string' },
    mount: { type: 'string' },
    directory: { type: 'string' },
    mode: { type: 'string', multiple: true },
    operations: { type: 'string', default: '20000' },
    seed: { type: 'string' },
  },
})
const [command, ...patterns] = positionals

if (command === 'pjdfstest' && values.beneath !== undefined && values.mount !== undefined) {
  const options = { beneathDirectory: values.beneath, mountDirectory: values.mount, patterns }
  const result = await runPjdfstest(options)
  printPjdfstest(result)
  process.exitCode = result.failed.length === 0 ? 0 : 1
} else if (command === 'fsx' && values.directory !== undefined) {
  const modes = (values.mode ?? FSX_MODES) as FsxMode[]
  const unknown = modes.find((mode) => !FSX_MODES.includes(mode))
  if (unknown !== undefined) throw new Error(`no such mode: ${unknown}`)
  const seed = values.seed === undefined ? randomInt(2 ** 32) : Number(values.seed)
  const operations = Number(values.operations)
  if (!Number.isSafeInteger(seed) || !(operations > 0)) throw new Error(USAGE)
  for (const mode of modes) {
    const result = await runFsx({ directory: values.directory, mode, operations, seed })
    printFsx(result)
    if (!result.passed) process.exitCode = 1
  }
} else {
  console.error(USAGE)
  process.exitCode = 2
}
