/** The other process of peer.ts: answers one call at a time. */
import { methods } from './peer-methods.js'
import { revive } from './revive.js'

methods.dieWithParent()
process.on('disconnect', () => process.exit(0))
process.on('message', async ({ id, method, args }: { id: number; method: string; args: unknown[] }) => {
  try {
    const run = (methods as Record<string, unknown>)[method] as (...args: unknown[]) => unknown
    process.send?.({ id, result: await run(...args.map(revive)) })
  } catch (error) {
    process.send?.({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
  }
})
