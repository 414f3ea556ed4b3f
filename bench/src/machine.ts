import { execFileSync } from 'node:child_process'
import { readFileSync, statfsSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os'
import { run } from './processes.js'
import type { Sample } from './statistics.js'

export interface Machine {
  kernel: string
  cpu: string
  cpus: number
  memoryGiB: number
  node: string
  libfuse: string
  filesystem: string
  load: number
  /** Round trip of one byte over two pipes, p50 in microseconds. */
  pipe: { sameCpu: number; otherCpu: number | undefined; unpinned: number }
}

export async function describeMachine(client: string, directory: string): Promise<Machine> {
  const pipe = async (...argv: string[]) => {
    const { stdout } = await run([client, 'ping-pong', '-', '--seconds', '0.3', ...argv])
    return (JSON.parse(stdout) as Sample).p50 / 1000
  }
  const several = availableParallelism() > 1
  return {
    kernel: release(),
    cpu: cpus()[0]?.model ?? 'unknown',
    cpus: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    libfuse: libfuseVersion(),
    filesystem: filesystemOf(directory),
    load: loadavg()[0],
    pipe: {
      sameCpu: await pipe('--cpu', '0', '--cpu2', '0'),
      otherCpu: several ? await pipe('--cpu', '0', '--cpu2', '1') : undefined,
      unpinned: await pipe(),
    },
  }
}

function libfuseVersion(): string {
  try {
    const header = readFileSync('/usr/include/fuse3/fuse_common.h', 'utf8')
    return ['MAJOR', 'MINOR']
      .map((part) => header.match(new RegExp(`FUSE_${part}_VERSION (\\d+)`))?.[1])
      .join('.')
  } catch {
    return 'none'
  }
}

function filesystemOf(directory: string): string {
  try {
    return execFileSync('stat', ['-f', '-c', '%T', directory], { encoding: 'utf8' }).trim()
  } catch {
    return `type 0x${statfsSync(directory).type.toString(16)}`
  }
}
