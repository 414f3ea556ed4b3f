// What a test file must not leave behind: processes, mounts and loop devices. They are found by the variable in
// their environment and the temporary folder that each test file gets for itself.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'

export const VARIABLE = 'HAWSER_TEST_FILE_ID'

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

/** Mounts at or below a folder, the latest first, each with its device number. */
export function mountsBelow(folder) {
  const decode = (text) =>
    text.replace(/\\(\d{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)))
  return readFileSync('/proc/self/mountinfo', 'utf8')
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

/** Ends requests that wait for a FUSE server that will not answer, so that their processes can be killed. */
export function abortConnections(folder) {
  for (const { device, type } of mountsBelow(folder)) {
    const file = `/sys/fs/fuse/connections/${device.split(':')[1]}/abort`
    if (!type.startsWith('fuse')) continue
    try {
      writeFileSync(file, '1')
    } catch {
      // Not root, or the control filesystem is not mounted.
    }
  }
}

/** Removes everything that a test file left, and says what it was. */
export async function removeLeftovers(id, folder) {
  const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))
  const settled = () => processesOf(id).length === 0 && mountsBelow(folder).length === 0
  // What was told to end at the last moment has a little time for it.
  for (let waited = 0; waited < 2000 && !settled(); waited += 50) await sleep(50)

  const left = []
  const processes = processesOf(id)
  const mounts = mountsBelow(folder)
  if (processes.length > 0) abortConnections(folder)
  for (const { pid, command } of processes) {
    left.push(`process ${pid}: ${command}`)
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It ended by itself meanwhile.
    }
  }
  for (const { point, type } of mounts) {
    left.push(`mount of ${type} at ${point}`)
    if (spawnSync('umount', ['--lazy', point]).status !== 0) spawnSync('fusermount3', ['-u', '-z', point])
  }
  for (const name of loopDevicesOf(folder)) {
    left.push(`loop device ${name}`)
    spawnSync('losetup', ['--detach', `/dev/${name}`])
  }
  // Never through a mount: what is behind it is not ours to delete.
  if (mountsBelow(folder).length > 0) left.push(`${folder}, which still has mounts`)
  else rmSync(folder, { recursive: true, force: true })
  return left
}
