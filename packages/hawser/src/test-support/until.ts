import { setTimeout as sleep } from 'node:timers/promises'

/** For what never comes, not for what comes late: a loaded machine is slow. */
const PATIENCE_MILLISECONDS = 300_000

/** Waits for a condition; whether it came. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  milliseconds = PATIENCE_MILLISECONDS,
): Promise<boolean> {
  const end = performance.now() + milliseconds
  for (let pause = 1; !(await condition()); pause = Math.min(2 * pause, 20)) {
    if (performance.now() > end) return false
    await sleep(pause)
  }
  return true
}
