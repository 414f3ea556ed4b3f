/** Bytes that a loop searches faster than a call into the runtime. */
const SHORT = 64

/** The index of the first NUL from `at`; `end` where there is none. */
export function findNul(bytes: Buffer, at: number, end: number): number {
  const near = Math.min(end, at + SHORT)
  while (at < near && bytes[at] !== 0) at++
  if (at < near || at === end) return at
  const far = bytes.indexOf(0, at)
  return far < 0 || far > end ? end : far
}
