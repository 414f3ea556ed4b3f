import { native } from '@hawser/fuse'

// f_type of statfs(2), linux/magic.h
const MEMORY = new Set([0x01021994, 0x858458f6, 0x958458f6]) // tmpfs, ramfs, hugetlbfs
const OVERLAY = 0x794c7630
const LOCAL = new Set([
  0xef53, // ext2, ext3, ext4
  0x58465342, // xfs
  0x9123683e, // btrfs
  0xf2f52010, // f2fs
  0xca451a4e, // bcachefs
  0x2fc12fc1, // zfs
  OVERLAY,
  0x73717368, // squashfs
  0xe0f5e1e2, // erofs
  0x4d44, // vfat
  0x2011bab0, // exfat
])

/**
 * How long a file system may keep its callers waiting: 'memory' never waits; 'local' waits for a disk only where it says
 * so beforehand or for a moment; 'remote' may wait for as long as it likes.
 */
export type FilesystemKind = 'memory' | 'local' | 'remote'

export function filesystemKind(fd: number): FilesystemKind {
  const type = native.filesystemType(fd)
  return MEMORY.has(type) ? 'memory' : LOCAL.has(type) ? 'local' : 'remote'
}

export function isOverlay(fd: number): boolean {
  return native.filesystemType(fd) === OVERLAY
}
