import type { BindMount } from './unprivileged.js'

export interface Setup {
  /** Where the user's own tmpfs comes. */
  readonly directory: string
  readonly uid: number
  readonly gid: number
  readonly mounts: readonly BindMount[]
  readonly userAllowOther: boolean
  /** Directories closed to the user that hold something it needs: replaced by open, otherwise empty ones. */
  readonly closed: readonly string[]
}

/** The script of a private namespace's first process: it prepares everything, says so and waits for its end. */
export function setupScript({ directory, uid, gid, mounts, userAllowOther, closed }: Setup): string {
  const lines: string[] = []
  const add = (...words: string[]) => lines.push(words.map(quote).join(' '))
  const tmpfs = (options: string, target: string) =>
    add('mount', '-t', 'tmpfs', '-o', options, 'hawser-test', target)
  const stage = `${directory}/.stage`

  // /proc is still the outer one: its number for this process is the one that the caller can use.
  lines.push('read -r pid rest </proc/self/stat')
  add('mount', '-t', 'proc', 'proc', '/proc')
  tmpfs(`mode=755,uid=${uid},gid=${gid}`, directory)
  add('mkdir', stage)
  tmpfs('mode=700', stage)

  // What the namespace sees instead of the machine's own. fusermount3 -u asks for the user's name.
  const account = `hawser-test:x:${uid}:${gid}::${directory}:/bin/sh`
  add('mknod', `${stage}/fuse`, 'c', '10', '229')
  lines.push(`{ cat /etc/passwd; echo ${account}; } >${stage}/passwd`)
  lines.push(`{ cat /etc/group; echo hawser-test:x:${gid}:; } >${stage}/group`)
  lines.push(`${userAllowOther ? 'echo user_allow_other' : ':'} >${stage}/fuse.conf`)
  add('chmod', '644', `${stage}/passwd`, `${stage}/group`, `${stage}/fuse.conf`)
  add('chmod', '666', `${stage}/fuse`)
  add('mount', '--bind', `${stage}/fuse`, '/dev/fuse')
  for (const name of ['passwd', 'group', 'fuse.conf'])
    add('mount', '--bind', `${stage}/${name}`, `/etc/${name}`)
  add('mkdir', '-m', '700', `${directory}/.run`)
  add('chown', `${uid}:${gid}`, `${directory}/.run`)

  // All sources are held before anything is covered: they are named as the machine has them.
  const hold = (index: number) => `${stage}/${index}`
  mounts.forEach(({ source }, index) => {
    lines.push(`if [ -d ${quote(source)} ]; then mkdir ${hold(index)}; else : >${hold(index)}; fi`)
    add('mount', '--rbind', source, hold(index))
  })
  for (const folder of closed) tmpfs('mode=755', folder)
  mounts.forEach(({ target, readOnly }, index) => {
    // Nothing is created on the machine's own filesystems: neither elsewhere nor below an earlier bind.
    const covered = mounts.slice(0, index).some((earlier) => isBelow(target, earlier.target))
    if (!covered && [directory, ...closed].some((folder) => isBelow(target, folder))) {
      add('mkdir', '-p', target.slice(0, target.lastIndexOf('/')))
      const make = `if [ -d ${hold(index)} ]; then mkdir ${quote(target)}; else : >${quote(target)}; fi`
      lines.push(`[ -e ${quote(target)} ] || ${make}`)
    }
    add('mount', '--rbind', hold(index), target)
    if (readOnly) add('mount', '-o', 'remount,bind,ro', target)
  })
  add('umount', '--lazy', stage)
  add('rmdir', stage)

  // Processes left behind by their parents become ours: ignoring this signal, they are not kept as zombies.
  lines.push(`trap '' CHLD`, 'echo "ready $pid"', 'exec cat >/dev/null')
  return lines.join('\n')
}

function isBelow(path: string, folder: string): boolean {
  return path.startsWith(`${folder}/`)
}

function quote(word: string): string {
  return /^[\w./=,:+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
