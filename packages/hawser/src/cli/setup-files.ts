// The files that `hawser setup` installs, as text.

/** In every file of ours: what may be replaced and removed. */
export const MARK = 'Installed by hawser setup'

export interface SetupFile {
  /** Absolute, below the prefix. */
  path: string
  mode: number
  text: string
  /** What it gives. */
  gives: string
}

function quoteShell(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}

// systemd's own rules: %, $ and \ are special, also within quotes.
function quoteUnit(word: string): string {
  const escaped = word.replace(/[\\"]/g, '\\$&').replaceAll('%', '%%').replaceAll('$', '$$$$')
  return /\s/.test(word) ? `"${escaped}"` : escaped
}

/** /sbin/mount.hawser */
export function helperScript(command: readonly string[]): string {
  return `#!/bin/sh
# ${MARK}: what mount(8) runs for "mount -t hawser" and for lines of /etc/fstab.
exec ${command.map(quoteShell).join(' ')} mount-helper "$@"
`
}

/** hawser@.service */
export function serviceUnit(command: readonly string[]): string {
  const hawser = command.map(quoteUnit).join(' ')
  return `# ${MARK}. hawser@NAME mounts what /etc/hawser/NAME.env says:
#   SOURCE=/data
#   MOUNTPOINT=/mnt/data
#   HAWSER_ALLOW_OTHER=on        any option of "hawser help mount", in capitals
[Unit]
Description=Hawser mount %i
After=local-fs.target network-online.target
Wants=network-online.target

[Service]
Type=forking
EnvironmentFile=/etc/hawser/%i.env
PIDFile=/run/hawser-%i.pid
ExecStart=${hawser} mount --log-file - --pid-file /run/hawser-%i.pid -- \${SOURCE} \${MOUNTPOINT}
ExecStop=${hawser} umount -- \${MOUNTPOINT}
# What a killed process left; fails, without harm, where nothing is mounted.
ExecStopPost=-${hawser} umount --lazy -- \${MOUNTPOINT}
KillMode=mixed
TimeoutStopSec=30
Restart=on-failure
RestartSec=1

[Install]
WantedBy=multi-user.target
`
}

export function setupFiles(command: readonly string[]): SetupFile[] {
  return [
    {
      path: '/sbin/mount.hawser',
      mode: 0o755,
      text: helperScript(command),
      gives: 'mount -t hawser SOURCE MOUNTPOINT, and lines of /etc/fstab',
    },
    {
      path: '/etc/systemd/system/hawser@.service',
      mode: 0o644,
      text: serviceUnit(command),
      gives: 'systemctl start hawser@NAME, from /etc/hawser/NAME.env',
    },
  ]
}
