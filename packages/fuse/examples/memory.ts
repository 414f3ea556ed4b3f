// A file system in memory: node dist/examples/memory.js [--size=BYTES] [--allow-other] MOUNTPOINT
import { parseArgs } from 'node:util'
import { mountTree, unmountOnSignals } from '@hawser/fuse'
import { MemoryDirectory, Space } from './memory-nodes.js'

const { values, positionals } = parseArgs({
  options: { size: { type: 'string', default: `${1 << 30}` }, 'allow-other': { type: 'boolean' } },
  allowPositionals: true,
})
const [mountpoint] = positionals
const size = Number(values.size)
if (mountpoint === undefined || !(size > 0)) {
  console.error('Usage: memory.js [--size=BYTES] [--allow-other] MOUNTPOINT')
  process.exit(2)
}

const owner = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 }
const root = new MemoryDirectory(0o1777, owner, new Space(size))

const mounted = await mountTree(root, mountpoint, {
  fsname: 'memory',
  allowOther: values['allow-other'],
  features: { handleKillPriv: true },
  // Everything changes through the mount, so the kernel knows of every change.
  entryTimeout: Number.POSITIVE_INFINITY,
  attrTimeout: Number.POSITIVE_INFINITY,
  negativeTimeout: Number.POSITIVE_INFINITY,
})
unmountOnSignals(mounted)
console.log(`mounted on ${mounted.mountpoint}`)
await mounted.closed
