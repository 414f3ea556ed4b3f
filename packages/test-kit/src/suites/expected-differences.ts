import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type SuiteName, suitesFolder } from './programs.js'

/** Cases that pass on the directory beneath and are known to differ on the mount, each with its reason. */
export function expectedDifferences(suite: SuiteName): Record<string, string> {
  const file = join(suitesFolder, 'expected-differences.json')
  const data = JSON.parse(readFileSync(file, 'utf8')) as Record<SuiteName, Record<string, string>>
  for (const [name, reason] of Object.entries(data[suite])) {
    if (reason.trim() === '') throw new Error(`${file}: ${name} has no reason`)
  }
  return data[suite]
}
