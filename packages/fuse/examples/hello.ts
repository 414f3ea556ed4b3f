// A directory with one file to read: node dist/examples/hello.js MOUNTPOINT
import { Directory, File, mountTree, Symlink, unmountOnSignals } from '@hawser/fuse'

const mountpoint = process.argv[2]
if (mountpoint === undefined) {
  console.error('Usage: hello.js MOUNTPOINT')
  process.exit(2)
}

const root = new Directory({
  'hello.txt': new File('Hello, world!\n'),
  docs: new Directory({ 'latest.txt': new Symlink('../hello.txt') }),
})

const mounted = await mountTree(root, mountpoint, { readOnly: true, fsname: 'hello' })
unmountOnSignals(mounted)
console.log(`mounted on ${mounted.mountpoint}`)
await mounted.closed
