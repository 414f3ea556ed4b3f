// File attributes and directory entries in the layouts of FUSE's wire (linux/fuse.h), made where they will be sent from.
#include "addon.h"
#include "files.h"
#include <dirent.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

static void fill_attributes(struct fuse_attr *attr, const struct statx *stat) {
  // Its last field is 'padding' in headers before 7.32.
  memset(attr, 0, sizeof *attr);
  attr->ino = stat->stx_ino;
  attr->size = stat->stx_size;
  attr->blocks = stat->stx_blocks;
  attr->atime = (uint64_t)stat->stx_atime.tv_sec;
  attr->mtime = (uint64_t)stat->stx_mtime.tv_sec;
  attr->ctime = (uint64_t)stat->stx_ctime.tv_sec;
  attr->atimensec = stat->stx_atime.tv_nsec;
  attr->mtimensec = stat->stx_mtime.tv_nsec;
  attr->ctimensec = stat->stx_ctime.tv_nsec;
  attr->mode = stat->stx_mode;
  attr->nlink = stat->stx_nlink;
  attr->uid = stat->stx_uid;
  attr->gid = stat->stx_gid;
  // The kernel's new_decode_dev(): minor's low 8 bits, 12 bits of major, the rest of minor.
  attr->rdev = (stat->stx_rdev_minor & 0xff) | (stat->stx_rdev_major << 8) | ((stat->stx_rdev_minor & ~0xffu) << 12);
  attr->blksize = stat->stx_blksize;
}

int stat_file(int directory, const char *path, int flags, struct fuse_attr *attr, struct identity *identity, bool handle) {
  struct statx stat;
  if (statx(directory, path, flags, STATX_BASIC_STATS | STATX_BTIME, &stat)) return -errno;
  if (attr) fill_attributes(attr, &stat);
  if (!identity) return 0;
  identity->mode = stat.stx_mode;
  identity->nlink = stat.stx_nlink;
  identity->dev_major = stat.stx_dev_major;
  identity->dev_minor = stat.stx_dev_minor;
  identity->ino = stat.stx_ino;
  bool birth = stat.stx_mask & STATX_BTIME;
  identity->birth_seconds = birth ? (uint64_t)stat.stx_btime.tv_sec : 0;
  identity->birth_nanoseconds = birth ? stat.stx_btime.tv_nsec : 0;
  identity->attributes = (uint32_t)stat.stx_attributes;
  identity->size = stat.stx_size;
  identity->gid = stat.stx_gid;
  identity->handle.bytes = 0;
  if (handle) {
    identity->handle.bytes = HANDLE_MAX;
    int mount;
    if (name_to_handle_at(directory, path, (struct file_handle *)&identity->handle, &mount, flags & AT_EMPTY_PATH)) identity->handle.bytes = 0;
  }
  return 0;
}

// statFilesystem(fd, reply: struct fuse_kstatfs) -> 0 or -errno
static napi_value stat_filesystem(napi_env env, napi_callback_info info) {
  ARGUMENTS(2)
  struct statfs stat;
  if (fstatfs((int)argument(env, argv[0]), &stat)) return number(env, -errno);
  struct fuse_kstatfs *out = pointer(env, argv[1]);
  memset(out, 0, sizeof *out);
  out->blocks = stat.f_blocks;
  out->bfree = stat.f_bfree;
  out->bavail = stat.f_bavail;
  out->files = stat.f_files;
  out->ffree = stat.f_ffree;
  out->bsize = (uint32_t)stat.f_bsize;
  out->namelen = (uint32_t)stat.f_namelen;
  out->frsize = (uint32_t)stat.f_frsize;
  return number(env, 0);
}

// filesystemType(fd) -> f_type of statfs(2), or -errno
static napi_value filesystem_type(napi_env env, napi_callback_info info) {
  ARGUMENTS(1)
  struct statfs stat;
  if (fstatfs((int)argument(env, argv[0]), &stat)) return number(env, -errno);
  return number(env, (double)(uint32_t)stat.f_type);
}

struct linux_dirent64 {
  uint64_t ino;
  int64_t off;
  uint16_t reclen;
  uint8_t type;
  char name[];
};

// One system call's worth of entries: the kernel's own readdir buffer is 4 to 32 KiB.
static __thread union { char bytes[32768]; uint64_t align; } entries;

// readDirectory(fd, offsetLow, offsetHigh, out, size, plus: 0|1|2 (without file handles), identities, identityStride, identitiesMax) -> bytes or -errno
// Fills `out` with fuse_dirent, or fuse_direntplus with one identity each (its first word 0 where there is none).
// Directory offsets are the file system's own and opaque: they use all 64 bits on ext4.
static napi_value read_directory(napi_env env, napi_callback_info info) {
  ARGUMENTS(9)
  int fd = (int)argument(env, argv[0]);
  uint64_t offset = (uint64_t)(uint32_t)argument(env, argv[1]) | (uint64_t)argument(env, argv[2]) << 32;
  char *out = pointer(env, argv[3]);
  size_t size = (size_t)argument(env, argv[4]), used = 0, count = 0;
  bool plus = argument(env, argv[5]) != 0, handles = argument(env, argv[5]) == 1;
  char *identities = pointer(env, argv[6]);
  size_t stride = (size_t)argument(env, argv[7]), maximum = (size_t)argument(env, argv[8]);
  if (lseek(fd, (off_t)offset, SEEK_SET) == -1) return number(env, -errno);
  size_t head = plus ? offsetof(struct fuse_direntplus, dirent) : 0;
  for (;;) {
    size_t ask = size - used < sizeof entries.bytes ? size - used : sizeof entries.bytes;
    // The smallest buffer that any name fits in: less gives EINVAL.
    if (ask < 280) ask = 280;
    long got = syscall(SYS_getdents64, fd, entries.bytes, ask);
    if (got == 0) break;
    if (got < 0) {
      if (used) break;
      return number(env, -errno);
    }
    for (long at = 0; at < got;) {
      struct linux_dirent64 *entry = (struct linux_dirent64 *)(entries.bytes + at);
      size_t length = strlen(entry->name);
      size_t record = head + ((sizeof(struct fuse_dirent) + length + 7) & ~(size_t)7);
      if (used + record > size || (plus && count == maximum)) return number(env, (double)used);
      struct fuse_dirent *dirent = (struct fuse_dirent *)(out + used + head);
      memset(out + used, 0, head);
      memset(out + used + record - 8, 0, 8);
      dirent->ino = entry->ino;
      dirent->off = (uint64_t)entry->off;
      dirent->namelen = (uint32_t)length;
      dirent->type = entry->type;
      memcpy(dirent->name, entry->name, length);
      if (plus) {
        struct identity *identity = (struct identity *)(identities + stride * count++);
        bool dots = entry->name[0] == '.' && (!entry->name[1] || (entry->name[1] == '.' && !entry->name[2]));
        struct fuse_entry_out *reply = (struct fuse_entry_out *)(out + used);
        if (dots || stat_file(fd, entry->name, AT_SYMLINK_NOFOLLOW, &reply->attr, identity, handles)) identity->mode = 0;
      }
      used += record;
      at += entry->reclen;
    }
    // A second system call pays where the first was cut short by our buffer, not where the directory is at its end.
    if (size - used < 280 + head) break;
  }
  return number(env, (double)used);
}

void export_files(napi_env env, napi_value exports) {
  export_function(env, exports, "statFilesystem", stat_filesystem);
  export_function(env, exports, "filesystemType", filesystem_type);
  export_function(env, exports, "readDirectory", read_directory);
}
