/** Plain directories for the kit's own tests, which processes of other users can enter. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface TestDirectories {
  target: string
  reference: string
  remove(): void
}

export function testDirectories(): TestDirectories {
  const base = mkdtempSync(join(tmpdir(), 'test-kit-'))
  chmodSync(base, 0o755)
  const [target, reference] = ['target', 'reference'].map((name) => {
    mkdirSync(join(base, name))
    return join(base, name)
  })
  return { target, reference, remove: () => rmSync(base, { recursive: true, force: true }) }
}
