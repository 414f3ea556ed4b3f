// What a test file must not leave behind: processes, mounts and loop devices. They are found by the variable in
// their environment and the temporary folder that each test file gets for itself.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'

export const VARIABLE = 'HAWSER_TEST_FILE_ID'
const GRACE_MILLISECONDS = 20_000

/** Processes with this id in their environment; a zombie is none. */
export function processesOf(id) {
  const found = []
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue
    try {
      const environment = readFileSync(`/proc/${name}/environ`, 'utf8').split('\0')
      if (!environment.includes(`${VARIABLE}=${id}`)) continue
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
      if (command !== '') found.push({ pid: Number(name), command })
    } catch {
      // It has ended, or belongs to another user.
    }
  }
  return found
}

/** Mounts at or below a folder, as this process or another one sees them, the latest first, each with its device number. */
function mountsBelow(folder, pid = 'self') {
  const decode = (text) =>
    text.replace(/\\(\d{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)))
  return readFileSync(`/proc/${pid}/mountinfo`, 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .filter((fields) => fields.length > 4)
    .map((fields) => ({
      point: decode(fields[4]),
      device: fields[2],
      type: fields[fields.indexOf('-') + 1],
    }))
    .filter(({ point }) => point === folder || point.startsWith(`${folder}/`))
    .reverse()
}

function loopDevicesOf(folder) {
  return readdirSync('/sys/block').filter((name) => {
    const file = `/sys/block/${name}/loop/backing_file`
    return existsSync(file) && readFileSync(file, 'utf8').startsWith(`${folder}/`)
  })
}

/**
 * Ends requests that wait for a FUSE server that will not answer, so that their processes can be killed. Most mounts lie in a
 * namespace of the test's own.
 */
export function abortConnections(id, folder) {
  const numbers = new Set()
  for (const pid of ['self', ...processesOf(id).map((one) => one.pid)]) {
    try {
      for (const { device, type } of mountsBelow(folder, pid))
        if (type.startsWith('fuse')) numbers.add(device.split(':')[1])
    } catch {
      // It has ended.
    }
  }
  for (const number of numbers) {
    try {
      writeFileSync(`/sys/fs/fuse/connections/${number}/abort`, '1')
    } catch {
      // Not root, or the control filesystem is not mounted.
    }
  }
}

/** Waits for a condition, and no longer than until nothing more is to be expected; whether it came. */
async function came(condition) {
  const end = performance.now() + GRACE_MILLISECONDS
  for (let pause = 10; !condition(); pause = Math.min(2 * pause, 200)) {
    if (performance.now() > end) return false
    await new Promise((resolve) => setTimeout(resolve, pause))
  }
  return true
}

/**
 * Removes everything that a test file left, and says what it was. What was told to end at the last moment has a little time
 * for it, unless the file was killed.
 */
export async function removeLeftovers(id, folder, { killed = false } = {}) {
  const counts = () => [processesOf(id), mountsBelow(folder), loopDevicesOf(folder)].map((all) => all.length)
  if (!killed) await came(() => counts().every((count) => count === 0))

  const left = []
  const loops = loopDevicesOf(folder)
  const processes = processesOf(id)
  if (processes.length > 0) abortConnections(id, folder)
  for (const { pid, command } of processes) {
    left.push(`process ${pid}: ${command}`)
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It ended by itself meanwhile.
    }
  }
  for (const { point, type } of mountsBelow(folder)) {
    left.push(`mount of ${type} at ${point}`)
    if (spawnSync('umount', ['--lazy', point]).status !== 0) spawnSync('fusermount3', ['-u', '-z', point])
  }
  for (const name of loops) left.push(`loop device ${name}`)
  // Their own mount namespace goes with the processes, and the loop devices with the mounts in it.
  if (!(await came(() => processesOf(id).length === 0))) left.push('a process that cannot be killed')
  if (!(await came(() => loopDevicesOf(folder).length === 0)))
    for (const name of loopDevicesOf(folder)) spawnSync('losetup', ['--detach', `/dev/${name}`])
  // Never through a mount: what is behind it is not ours to delete.
  if (mountsBelow(folder).length > 0) left.push(`${folder}, which still has mounts`)
  else rmSync(folder, { recursive: true, force: true })
  return left
}
