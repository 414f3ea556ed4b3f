import { describeKind, environmentName, mountOptionTable } from '../mount/options.js'
import { definition } from './help.js'

/** What `hawser help mount` says after the options of the program. */
export function mountDetails(): string {
  const options = mountOptionTable.map((row) => {
    const name = row.kind.type === 'boolean' ? row.name : `${row.name}=${describeKind(row.kind)}`
    const value = typeof row.default === 'boolean' ? (row.default ? 'on' : 'off') : row.default
    const standard = value === undefined ? '' : ` Default: ${value}.`
    const caution = row.caution === undefined ? '' : ` Caution: ${row.caution}`
    return definition(name, `${row.explanation}${standard}${caution}`)
  })
  return `SOURCE is a directory, as a path or dir:/path. MOUNTPOINT is a directory, or /dev/fd/N where N is a
descriptor of /dev/fuse that is mounted already. The command returns when the mount answers.

-o options:
${options.join('')}
A yes-or-no option is also written NAME=on|off and noNAME. rw is the opposite of ro. noexec, noatime, nosuid and
nodev are the kernel's; the last two are on unless root says suid or dev. log_level, log_format, log_file,
metrics, metrics_allow_remote and pid_file are understood too, for /etc/fstab, whose own words (_netdev, nofail,
x-…, user, …) are ignored.

Every option can come from the environment, such as ${environmentName('cache')}=never or ${environmentName('log-level')}=debug, and
from $XDG_CONFIG_HOME/hawser/config.json or /etc/hawser/config.json, such as {"cache": "never"}. What is given
on the command line beats the environment, which beats the user's file, which beats the machine's.

examples:
  hawser mount /data /mnt
  hawser mount /data /mnt -o ro,allow_other --metrics 127.0.0.1:9100
  hawser mount /data /mnt --foreground --log-format json      in a container
`
}
