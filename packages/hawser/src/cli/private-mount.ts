import { join } from 'node:path'
import { type FoundEntry, readRegistry } from '../daemon/registry.js'
import { spawnDaemon } from '../daemon/spawn.js'
import { resolveMountOptions } from '../mount/options.js'
import type { LogLevel } from '../telemetry/log.js'
import { Failure } from './verb.js'
import { version } from './version.js'

export interface PrivateMount {
  entry: FoundEntry
  /** From the command to the mount's first answer. */
  milliseconds: number
}

/**
 * Mounts `folder`/source on `folder`/mnt with the defaults, in a background process that only a registry in `folder` lists:
 * for verbs that show or try what the program does. Throws a Failure with what that process reports.
 */
export async function mountPrivately(folder: string, level: LogLevel): Promise<PrivateMount> {
  const uid = process.geteuid!()
  const { options } = resolveMountOptions([], uid === 0)
  const runtimeDirectory = join(folder, 'run')
  const started = performance.now()
  const report = await spawnDaemon(
    {
      source: join(folder, 'source'),
      mountpoint: join(folder, 'mnt'),
      options,
      flags: [],
      notes: [],
      log: { level, format: 'text' },
      runtimeDirectory,
      version: version(),
    },
    true,
  )
  const milliseconds = performance.now() - started
  if (!report.ok) throw new Failure(report.message)
  return { entry: readRegistry(runtimeDirectory, uid)[0], milliseconds }
}
