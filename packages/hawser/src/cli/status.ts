import { type KnownMount, listMounts } from '../daemon/mounts.js'
import { runtimeDirectory } from '../daemon/registry.js'
import { formatDuration, formatTable } from './text.js'
import { exitCodes, has, jsonOption, type Verb } from './verb.js'

export const verb: Verb = {
  name: 'status',
  usage: '[--json]',
  summary: 'List the running mounts',
  arguments: [],
  options: [jsonOption],
  details:
    () => `The mounts of the user who asks. A mount is mounted, detached (unmounted, but still used by open files or
in another mount namespace), unresponsive (its process does not answer) or dead (its process is gone: hawser umount
removes it, hawser mount replaces it).

--json prints {"mounts": [{"mountpoint", "source", "state", "pid", "engine", "since", "uptimeSeconds", "version",
"connection", "options", "metrics", "logFile"}, …]}.
`,
  async run(input) {
    const uid = process.geteuid!()
    const mounts = await listMounts(runtimeDirectory(process.env, uid), uid)
    process.stdout.write(
      has(input, 'json') ? `${JSON.stringify({ mounts: mounts.map(toJson) })}\n` : toText(mounts),
    )
    return exitCodes.ok
  },
}

function uptime(mount: KnownMount): number {
  return Math.max(0, (Date.now() - Date.parse(mount.since)) / 1000)
}

function toJson(mount: KnownMount): object {
  const { mountpoint, source, state, pid, engine, since, version, connection, options, metrics, logFile } =
    mount
  const uptimeSeconds = Math.round(uptime(mount))
  return {
    mountpoint,
    source,
    state,
    pid,
    engine,
    since,
    uptimeSeconds,
    version,
    connection,
    options,
    metrics,
    logFile,
  }
}

function toText(mounts: readonly KnownMount[]): string {
  if (mounts.length === 0) return 'nothing is mounted\n'
  const table = formatTable(
    ['MOUNTPOINT', 'SOURCE', 'STATE', 'ENGINE', 'PID', 'FOR'],
    mounts.map((mount) => [
      mount.mountpoint,
      mount.source,
      mount.state,
      mount.engine,
      String(mount.pid),
      formatDuration(uptime(mount)),
    ]),
    ['left', 'left', 'left', 'left', 'right', 'right'],
  )
  const dead = mounts.find(({ state }) => state === 'dead')
  return dead === undefined
    ? table
    : `${table}\nA dead mount is removed by: hawser umount ${dead.mountpoint}\n`
}
