// What an HTTP server lists, as a directory to read: node dist/examples/http.js URL MOUNTPOINT
import { mountTree, unmountOnSignals } from '@hawser/fuse'
import { BlockCache } from './block-cache.js'
import { HttpDirectory } from './http-nodes.js'

const [url, mountpoint] = process.argv.slice(2)
if (mountpoint === undefined || !URL.canParse(url)) {
  console.error('Usage: http.js URL MOUNTPOINT')
  process.exit(2)
}

const root = new HttpDirectory(new URL(url.endsWith('/') ? url : `${url}/`), new BlockCache(64 << 20))
const mounted = await mountTree(root, mountpoint, {
  readOnly: true,
  fsname: url,
  subtype: 'http',
  // What the server changes is seen after this many seconds.
  entryTimeout: 5,
  attrTimeout: 5,
  negativeTimeout: 5,
})
unmountOnSignals(mounted)
console.log(`mounted on ${mounted.mountpoint}`)
await mounted.closed
