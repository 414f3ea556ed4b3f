import type { FuseMount } from './mount.js'

/**
 * Ends a mount when this process gets SIGINT or SIGTERM. The first signal unmounts, as soon as nobody uses the mount:
 * where it is in use it is detached, and goes on serving those who do. A second one fails their requests.
 * Stops listening when the mount has ended, or when what it returns is called.
 */
export function unmountOnSignals(
  mounted: FuseMount,
  signals: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM'],
): () => void {
  let asked = false
  const unmount = async () => {
    if (asked) {
      // It is detached: with its descriptor, which `closed` closes, the connection ends.
      mounted.session.stop()
      return
    }
    asked = true
    await mounted.unmount('clean').catch(() => mounted.unmount('lazy'))
  }
  const listener = () => {
    unmount().catch((error) => console.error(`fuse: ${error.message}`))
  }
  const stop = () => {
    for (const signal of signals) process.off(signal, listener)
  }
  for (const signal of signals) process.on(signal, listener)
  mounted.closed.then(stop, stop)
  return stop
}
