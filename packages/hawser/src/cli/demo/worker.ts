// The child process of the demo: does the work with plain calls, so that a hung mount can never hang the demo itself.
// Arguments: the mount, the directory behind it, a directory of the same file system without a mount.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { measures, proofs } from './work.js'

export type WorkerMessage =
  | { kind: 'proof'; name: string; finding: string }
  | { kind: 'measure'; name: string; unit: string; mounted: number; native: number }
  | { kind: 'skipped'; name: string; why: string }
  | { kind: 'failed'; name: string; why: string }
  | { kind: 'done' }

const say = (message: WorkerMessage) => process.stdout.write(`${JSON.stringify(message)}\n`)
const [mounted, behind, native] = process.argv.slice(2)

let current = ''
try {
  for (const proof of proofs) {
    current = proof.name
    say({ kind: 'proof', name: current, finding: proof.run(mounted, behind) })
  }
  const folders = [join(mounted, 'work'), join(native, 'work')]
  for (const folder of folders) mkdirSync(folder)
  for (const measure of measures()) {
    current = measure.name
    if (measure.missing !== undefined || measure.run === undefined) {
      say({ kind: 'skipped', name: current, why: measure.missing ?? '' })
      continue
    }
    const [through, direct] = folders.map((folder) => measure.run!(folder))
    say({ kind: 'measure', name: current, unit: measure.unit, mounted: through, native: direct })
  }
  say({ kind: 'done' })
} catch (error) {
  say({ kind: 'failed', name: current, why: (error as Error).message })
}
