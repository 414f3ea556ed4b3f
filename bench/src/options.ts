import { parseArgs } from 'node:util'

export interface Options {
  /** Row ids, or beginnings of ids; empty means all. */
  rows: string[]
  servers: string[]
  rounds: number
  seconds: number
  /** Bytes of the file that reads and writes go to. */
  bytes: number
  /** Where the source directory and the mount points are made. */
  directory: string
  json: string | undefined
  install: boolean
  list: boolean
  passthroughLl: string | undefined
  passthroughHp: string | undefined
  libfuseUring: string | undefined
  hawser: string | undefined
}

export const usage = `usage: node bench/dist/main.js [options]

  --rows a,b             only rows whose id is, or begins with, one of these
  --servers a,b          only servers whose id is, or begins with, one of these
  --rounds N             interleaved runs of every row (default 9)
  --seconds S            length of one run (default 0.3)
  --bytes N              size of the test file in MiB (default 256)
  --dir PATH             a directory on the filesystem to measure on (default /dev/shm)
  --json FILE            also write every sample and the machine's facts
  --quick                3 rounds of 0.1 s on 64 MiB: checks that all of it runs, measures little
  --list                 print the ids of rows and servers, and stop
  --no-install           never install a missing system package
  --passthrough-ll PATH  libfuse's passthrough_ll (default: built from Debian's libfuse3-dev, or from PATH)
  --passthrough-hp PATH  libfuse's passthrough_hp
  --libfuse-uring PATH   where a libfuse with io_uring (3.18 or newer) is installed (the folder that holds include
                         and lib); or a binary of its passthrough_hp
  --hawser PATH          another hawser program (default: the one in this repository)
`

export class UsageError extends Error {}

export function parseOptions(argv: readonly string[]): Options | 'help' {
  let values: Record<string, string | boolean | undefined>
  try {
    values = parseArgs({
      args: [...argv],
      strict: true,
      options: {
        rows: { type: 'string' },
        servers: { type: 'string' },
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        bytes: { type: 'string' },
        dir: { type: 'string' },
        json: { type: 'string' },
        quick: { type: 'boolean' },
        list: { type: 'boolean' },
        'no-install': { type: 'boolean' },
        'passthrough-ll': { type: 'string' },
        'passthrough-hp': { type: 'string' },
        'libfuse-uring': { type: 'string' },
        hawser: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
  if (values.help) return 'help'
  const text = (name: string) => values[name] as string | undefined
  const list = (name: string) => text(name)?.split(',').filter(Boolean) ?? []
  const positive = (name: string, fallback: number) => {
    const number = Number(text(name) ?? fallback)
    if (!(number > 0)) throw new UsageError(`--${name} must be a number above 0`)
    return number
  }
  const quick = values.quick === true
  return {
    rows: list('rows'),
    servers: list('servers'),
    rounds: Math.ceil(positive('rounds', quick ? 3 : 9)),
    seconds: positive('seconds', quick ? 0.1 : 0.3),
    bytes: Math.ceil(positive('bytes', quick ? 64 : 256)) * 2 ** 20,
    directory: text('dir') ?? '/dev/shm',
    json: text('json'),
    install: values['no-install'] !== true,
    list: values.list === true,
    passthroughLl: text('passthrough-ll'),
    passthroughHp: text('passthrough-hp'),
    libfuseUring: text('libfuse-uring'),
    hawser: text('hawser'),
  }
}

/** Whether a row or server was chosen: an id is chosen by itself or by its beginning. */
export function chosen(id: string, wanted: readonly string[]): boolean {
  return wanted.length === 0 || wanted.some((name) => id === name || id.startsWith(`${name}-`))
}
