import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

/** Debian packages that tests use: each with a program or file that shows that it is there. */
const NEEDED = [
  { name: 'fuse3', shownBy: 'fusermount3', reason: 'mounts of users other than root' },
  { name: 'attr', shownBy: 'setfattr', reason: 'extended attributes' },
  { name: 'acl', shownBy: 'setfacl', reason: 'POSIX ACLs' },
  { name: 'libcap2-bin', shownBy: 'setcap', reason: 'file capabilities' },
  { name: 'e2fsprogs', shownBy: 'mkfs.ext4', reason: 'filesystems in files, chattr' },
  { name: 'xfsprogs', shownBy: 'mkfs.xfs', reason: 'filesystems in files' },
  { name: 'btrfs-progs', shownBy: 'mkfs.btrfs', reason: 'subvolumes' },
  { name: 'rsync', shownBy: 'rsync', reason: 'hard links through a mount' },
  {
    name: 'pkg-config',
    shownBy: 'pkg-config',
    reason: 'to compile the libfuse server that we measure against',
  },
  { name: 'libfuse3-dev', shownBy: '/usr/include/fuse3/fuse_lowlevel.h', reason: 'the same' },
]

const FOLDERS = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin', '/usr/local/sbin']

/** Installs what is missing, as root on Debian and its like; otherwise says what is missing and goes on. */
export function installSystemPackages() {
  const missing = NEEDED.filter(({ shownBy }) => !isThere(shownBy))
  if (missing.length === 0) return
  const list = missing.map(({ name, reason }) => `${name} (${reason})`).join(', ')
  const names = missing.map(({ name }) => name)
  if (process.getuid() !== 0 || !isThere('apt-get')) {
    const how = isThere('apt-get') ? `: as root, apt-get install ${names.join(' ')}` : ''
    console.log(`not installed, so some tests cannot run: ${list}${how}`)
    return
  }
  console.log(`installing Debian packages that tests need: ${list}`)
  // The lists of packages may be missing or old, so they are fetched only after a failure.
  if (!install(names)) {
    aptGet(['update'])
    if (!install(names)) console.log(`apt-get could not install ${names.join(' ')}; going on without`)
  }
}

function isThere(shownBy) {
  return shownBy.startsWith('/')
    ? existsSync(shownBy)
    : FOLDERS.some((folder) => existsSync(`${folder}/${shownBy}`))
}

function install(names) {
  return aptGet(['install', '--yes', '--no-install-recommends', ...names])
}

function aptGet(args) {
  const { status, stdout, stderr } = spawnSync('apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=300', ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    encoding: 'utf8',
  })
  if (status !== 0) console.log(`${stdout}${stderr}`)
  return status === 0
}
