import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { mountTable } from './mount-table.js'

const prefix = 'hawser-bench-'

/** A directory of this run's own; its name says whose it is. */
export function makeWorkDirectory(parent: string): string {
  return mkdtempSync(join(parent, `${prefix}${process.pid}-`))
}

/**
 * Removes what a benchmark left that was killed with SIGKILL: the kernel has ended its servers, but its files and
 * mounts need someone. A running benchmark's directory is not touched.
 */
export function removeLeftovers(parent: string): void {
  for (const name of readdirSync(parent)) {
    if (belongsToTheDead(name)) removeDirectory(join(parent, name))
  }
}

/** Never removes files through a mount that would not go away. */
export function removeDirectory(path: string): void {
  for (const mountPoint of mountsBelow(path)) spawnSync('umount', ['-l', mountPoint])
  if (mountsBelow(path).length === 0) rmSync(path, { recursive: true, force: true })
}

export function removeDeadInstances(instances: string): void {
  for (const name of readdirSync(instances)) {
    if (belongsToTheDead(name)) rmdirSync(join(instances, name))
  }
}

export const instanceName = (): string => `${prefix}${process.pid}`

function belongsToTheDead(name: string): boolean {
  const owner = name.match(/^hawser-bench-(\d+)(-|$)/)?.[1]
  return owner !== undefined && !existsSync(`/proc/${owner}`)
}

function mountsBelow(path: string): string[] {
  return mountTable()
    .map((entry) => entry.mountPoint)
    .filter((mountPoint) => mountPoint.startsWith(`${path}/`))
}
