// Changes a directory at random: argument 1, with the random numbers of argument 2, in as many steps as argument 3 says.
// Others may be at the same names; what fails for that reason is passed over.
import { constants as c, posix } from '@hawser/test-kit'

const [directory, seed, count] = process.argv.slice(2)
const NAMES = 12

let state = Number(seed) * 0x9e3779b1
/** A whole number below `limit` (xorshift). */
function random(limit: number): number {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  return (state >>> 0) % limit
}

function path(): string {
  const inside = random(3) === 0 ? `/directory-${random(3)}` : ''
  return `${directory}${inside}/name-${random(NAMES)}`
}

function write(flags: number): void {
  const fd = posix.open(path(), flags, 0o644)
  if (fd < 0) return
  posix.write(fd, `${seed}-${random(1e6)}`)
  posix.close(fd)
}

const steps: (() => unknown)[] = [
  () => write(c.O_WRONLY | c.O_CREAT),
  () => write(c.O_WRONLY | c.O_CREAT | c.O_TRUNC),
  () => write(c.O_WRONLY | c.O_APPEND),
  () => posix.unlink(path()),
  () => posix.rename(path(), path()),
  () => posix.rename(path(), path(), c.RENAME_EXCHANGE),
  () => posix.link(path(), path()),
  () => posix.chmod(path(), 0o600 + random(64)),
  () => posix.truncate(path(), random(5000)),
  () => posix.mkdir(`${directory}/directory-${random(3)}`),
  () => posix.rename(`${directory}/directory-${random(3)}`, `${directory}/directory-${random(3)}`),
  () => posix.list(directory),
  () => posix.stat(path()),
]
for (let step = 0; step < Number(count); step++) steps[random(steps.length)]()
