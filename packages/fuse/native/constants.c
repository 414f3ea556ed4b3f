// Numbers that differ between architectures, from this machine's headers.
#include "addon.h"
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/fuse.h>
#include <sys/ioctl.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

// System calls newer than the oldest supported headers; their numbers are the same on every architecture but alpha.
#ifndef SYS_open_tree
#define SYS_open_tree 428
#endif
#ifndef SYS_move_mount
#define SYS_move_mount 429
#endif
#ifndef SYS_fsopen
#define SYS_fsopen 430
#endif
#ifndef SYS_fsconfig
#define SYS_fsconfig 431
#endif
#ifndef SYS_fsmount
#define SYS_fsmount 432
#endif
#ifndef SYS_fspick
#define SYS_fspick 433
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_faccessat2
#define SYS_faccessat2 439
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

#define ONE(name) {#name, (double)(name)}
#define CALL(name) {#name, SYS_##name}
static const struct { const char *name; double value; } calls[] = {
  CALL(openat),
  CALL(openat2),
  CALL(close),
  CALL(read),
  CALL(write),
  CALL(pread64),
  CALL(pwrite64),
  CALL(preadv2),
  CALL(pwritev2),
  CALL(fsync),
  CALL(fdatasync),
  CALL(fallocate),
  CALL(ftruncate),
  CALL(truncate),
  CALL(copy_file_range),
  CALL(lseek),
  CALL(mkdirat),
  CALL(mknodat),
  CALL(symlinkat),
  CALL(linkat),
  CALL(unlinkat),
  CALL(renameat2),
  CALL(readlinkat),
  CALL(fchmod),
  CALL(fchmodat),
  CALL(fchown),
  CALL(fchownat),
  CALL(utimensat),
  CALL(setxattr),
  CALL(getxattr),
  CALL(listxattr),
  CALL(removexattr),
  CALL(fsetxattr),
  CALL(fgetxattr),
  CALL(flistxattr),
  CALL(fremovexattr),
  CALL(fcntl),
  CALL(flock),
  CALL(ioctl),
  CALL(name_to_handle_at),
  CALL(open_by_handle_at),
  CALL(statx),
  CALL(mount),
  CALL(umount2),
  CALL(socketpair),
  CALL(dup),
  CALL(dup3),
  CALL(syncfs),
  CALL(sync_file_range),
  CALL(sched_setaffinity),
  CALL(sched_getaffinity),
  CALL(ppoll),
  CALL(prctl),
  CALL(setrlimit),
  CALL(prlimit64),
  CALL(pidfd_open),
  CALL(geteuid),
  CALL(getegid),
  CALL(faccessat),
  CALL(unshare),
  CALL(setns),
  CALL(umask),
  CALL(fanotify_init),
  CALL(fanotify_mark),
  CALL(eventfd2),
  CALL(kill),
  CALL(open_tree),
  CALL(move_mount),
  CALL(fsopen),
  CALL(fsconfig),
  CALL(fsmount),
  CALL(fspick),
  CALL(faccessat2),
  CALL(mount_setattr),
  CALL(fchmodat2),
}, constants[] = {
  ONE(O_RDONLY),
  ONE(O_WRONLY),
  ONE(O_RDWR),
  ONE(O_CREAT),
  ONE(O_EXCL),
  ONE(O_NOCTTY),
  ONE(O_TRUNC),
  ONE(O_APPEND),
  ONE(O_NONBLOCK),
  ONE(O_DSYNC),
  ONE(O_SYNC),
  ONE(O_DIRECTORY),
  ONE(O_NOFOLLOW),
  ONE(O_CLOEXEC),
  ONE(O_PATH),
  ONE(O_TMPFILE),
  ONE(O_DIRECT),
  ONE(O_LARGEFILE),
  ONE(O_NOATIME),
  ONE(O_ACCMODE),
  ONE(AT_FDCWD),
  ONE(AT_SYMLINK_NOFOLLOW),
  ONE(AT_SYMLINK_FOLLOW),
  ONE(AT_REMOVEDIR),
  ONE(AT_EMPTY_PATH),
  ONE(AT_NO_AUTOMOUNT),
  ONE(S_IFMT),
  ONE(S_IFREG),
  ONE(S_IFDIR),
  ONE(S_IFLNK),
  ONE(S_IFCHR),
  ONE(S_IFBLK),
  ONE(S_IFIFO),
  ONE(S_IFSOCK),
  ONE(S_ISUID),
  ONE(S_ISGID),
  ONE(S_ISVTX),
  ONE(SEEK_SET),
  ONE(SEEK_DATA),
  ONE(SEEK_HOLE),
  ONE(RENAME_NOREPLACE),
  ONE(RENAME_EXCHANGE),
  ONE(RENAME_WHITEOUT),
  ONE(UTIME_NOW),
  ONE(UTIME_OMIT),
  ONE(F_OFD_GETLK),
  ONE(F_OFD_SETLK),
  ONE(F_OFD_SETLKW),
  ONE(F_RDLCK),
  ONE(F_WRLCK),
  ONE(F_UNLCK),
  ONE(LOCK_SH),
  ONE(LOCK_EX),
  ONE(LOCK_NB),
  ONE(LOCK_UN),
  ONE(MS_RDONLY),
  ONE(MS_NOSUID),
  ONE(MS_NODEV),
  ONE(MS_NOEXEC),
  ONE(MS_SYNCHRONOUS),
  ONE(MS_NOATIME),
  ONE(MS_DIRSYNC),
  ONE(MS_NODIRATIME),
  ONE(MS_RELATIME),
  ONE(MS_STRICTATIME),
  ONE(MNT_FORCE),
  ONE(MNT_DETACH),
  ONE(UMOUNT_NOFOLLOW),
  ONE(FALLOC_FL_KEEP_SIZE),
  ONE(AF_UNIX),
  ONE(SOCK_STREAM),
  ONE(SOCK_CLOEXEC),
  ONE(F_GETFL),
  ONE(F_DUPFD_CLOEXEC),
  ONE(F_SETFL),
  ONE(F_GETFD),
  ONE(F_SETFD),
  ONE(F_SETPIPE_SZ),
  ONE(FD_CLOEXEC),
  ONE(XATTR_CREATE),
  ONE(XATTR_REPLACE),
  ONE(STATX_ATTR_IMMUTABLE),
  ONE(STATX_ATTR_APPEND),
  ONE(FS_IOC_GETFLAGS),
  ONE(FS_IOC_SETFLAGS),
  ONE(FS_IOC_GETVERSION),
  ONE(FS_IOC_FSGETXATTR),
  ONE(FS_IOC_FSSETXATTR),
  ONE(FUSE_DEV_IOC_CLONE),
}, errnos[] = {
  ONE(EPERM),
  ONE(ENOENT),
  ONE(ESRCH),
  ONE(EINTR),
  ONE(EIO),
  ONE(ENXIO),
  ONE(E2BIG),
  ONE(EBADF),
  ONE(EAGAIN),
  ONE(ENOMEM),
  ONE(EACCES),
  ONE(EFAULT),
  ONE(ENOTBLK),
  ONE(EBUSY),
  ONE(EEXIST),
  ONE(EXDEV),
  ONE(ENODEV),
  ONE(ENOTDIR),
  ONE(EISDIR),
  ONE(EINVAL),
  ONE(ENFILE),
  ONE(EMFILE),
  ONE(ENOTTY),
  ONE(ETXTBSY),
  ONE(EFBIG),
  ONE(ENOSPC),
  ONE(ESPIPE),
  ONE(EROFS),
  ONE(EMLINK),
  ONE(EPIPE),
  ONE(EDOM),
  ONE(ERANGE),
  ONE(EDEADLK),
  ONE(ENAMETOOLONG),
  ONE(ENOLCK),
  ONE(ENOSYS),
  ONE(ENOTEMPTY),
  ONE(ELOOP),
  ONE(ENODATA),
  ONE(ETIME),
  ONE(EREMOTEIO),
  ONE(EPROTO),
  ONE(EBADMSG),
  ONE(EOVERFLOW),
  ONE(EILSEQ),
  ONE(EUSERS),
  ONE(ENOTSUP),
  ONE(EOPNOTSUPP),
  ONE(ESTALE),
  ONE(EDQUOT),
  ONE(ECANCELED),
  ONE(ENOKEY),
  ONE(EKEYEXPIRED),
  ONE(ENOTCONN),
  ONE(ETIMEDOUT),
  ONE(ECONNREFUSED),
  ONE(ECONNRESET),
  ONE(ECONNABORTED),
  ONE(EHOSTUNREACH),
  ONE(ENETUNREACH),
  ONE(EREMOTE),
  ONE(EMSGSIZE),
  ONE(ENOMEDIUM),
  ONE(ECOMM),
};

#define EXPORT(table, property)                                                                  \
  do {                                                                                       \
    napi_value object;                                                                       \
    napi_create_object(env, &object);                                                        \
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)                                \
      napi_set_named_property(env, object, table[i].name, number(env, table[i].value));      \
    napi_set_named_property(env, exports, property, object);                                     \
  } while (0)

void export_constants(napi_env env, napi_value exports) {
  EXPORT(calls, "sys");
  EXPORT(constants, "constants");
  EXPORT(errnos, "errno");
}
