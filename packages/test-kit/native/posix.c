// The system calls that Node's fs lacks, for tests. One generic door to syscall(2), so that flags, offsets, names and
// structures reach the kernel exactly as a case wrote them; src/posix.ts gives each call its type. Everything here is
// synchronous and answers a number, or minus errno: an errno is what a case asserts on, not an exception.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <node_api.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define MAX_ARGUMENTS 8
#define SAFE_INTEGER 9007199254740991LL

static napi_value throw_type(napi_env env, const char *message) {
  napi_throw_type_error(env, NULL, message);
  return NULL;
}

static napi_value number(napi_env env, int64_t value) {
  napi_value result;
  if (value > SAFE_INTEGER || value < -SAFE_INTEGER) napi_create_bigint_int64(env, value, &result);
  else napi_create_double(env, (double)value, &result);
  return result;
}

// A number, a BigInt, a boolean, null (0) or the address of a Buffer's bytes.
static int word(napi_env env, napi_value value, long *out) {
  napi_valuetype type;
  if (napi_typeof(env, value, &type) != napi_ok) return 0;
  switch (type) {
    case napi_undefined:
    case napi_null:
      *out = 0;
      return 1;
    case napi_number: {
      int64_t integer;
      if (napi_get_value_int64(env, value, &integer) != napi_ok) return 0;
      *out = integer;
      return 1;
    }
    case napi_bigint: {
      int64_t integer;
      bool lossless;
      if (napi_get_value_bigint_int64(env, value, &integer, &lossless) != napi_ok) return 0;
      *out = integer;
      return 1;
    }
    case napi_object: {
      void *data;
      size_t length;
      bool is_buffer = false;
      if (napi_is_buffer(env, value, &is_buffer) != napi_ok || !is_buffer) return 0;
      if (napi_get_buffer_info(env, value, &data, &length) != napi_ok) return 0;
      *out = (long)data;
      return 1;
    }
    default:
      return 0;
  }
}

// Reads up to `capacity` words; returns how many, or -1 with an exception pending.
static int words(napi_env env, napi_callback_info info, long *out, size_t capacity) {
  napi_value arguments[MAX_ARGUMENTS];
  size_t count = MAX_ARGUMENTS;
  napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
  for (size_t i = 0; i < capacity; i++) out[i] = 0;
  for (size_t i = 0; i < count && i < capacity; i++) {
    if (!word(env, arguments[i], &out[i])) {
      throw_type(env, "expected a number, a BigInt, a Buffer or null");
      return -1;
    }
  }
  return (int)count;
}

static napi_value answer(napi_env env, long result) {
  return number(env, result == -1 ? -errno : result);
}

static napi_value call(napi_env env, napi_callback_info info) {
  long a[7];
  if (words(env, info, a, 7) < 0) return NULL;
  return answer(env, syscall(a[0], a[1], a[2], a[3], a[4], a[5], a[6]));
}

static napi_value address(napi_env env, napi_callback_info info) {
  long a[1];
  if (words(env, info, a, 1) < 0) return NULL;
  return number(env, a[0]);
}

// Copies between a mapping and a Buffer. A page beyond the end of the file raises SIGBUS: that is an answer (-EFAULT).
static sigjmp_buf bus_error;

static void on_bus_error(int signal) {
  (void)signal;
  siglongjmp(bus_error, 1);
}

static long guarded_copy(void *to, const void *from, size_t length) {
  struct sigaction action = {.sa_handler = on_bus_error}, old_bus, old_segv;
  sigaction(SIGBUS, &action, &old_bus);
  sigaction(SIGSEGV, &action, &old_segv);
  long result = 0;
  if (sigsetjmp(bus_error, 1) == 0) {
    const volatile unsigned char *source = from;
    volatile unsigned char *target = to;
    for (size_t i = 0; i < length; i++) target[i] = source[i];
  } else {
    result = -EFAULT;
  }
  sigaction(SIGBUS, &old_bus, NULL);
  sigaction(SIGSEGV, &old_segv, NULL);
  return result;
}

static napi_value copy_memory(napi_env env, napi_callback_info info) {
  long a[3];
  if (words(env, info, a, 3) < 0) return NULL;
  return number(env, guarded_copy((void *)a[0], (const void *)a[1], (size_t)a[2]));
}

// glibc changes the identity of every thread; the bare system calls would change one.
static napi_value become(napi_env env, napi_callback_info info) {
  long a[4];
  if (words(env, info, a, 4) < 0) return NULL;
  if (setgroups((size_t)a[3], (const gid_t *)a[2]) != 0) return answer(env, -1);
  if (setresgid((gid_t)a[1], (gid_t)a[1], (gid_t)a[1]) != 0) return answer(env, -1);
  return answer(env, setresuid((uid_t)a[0], (uid_t)a[0], (uid_t)a[0]));
}

static void ignore_but_interrupt(int signal) { (void)signal; }

// Without SA_RESTART, so that a waiting call returns EINTR.
static napi_value interrupt_on(napi_env env, napi_callback_info info) {
  long a[1];
  if (words(env, info, a, 1) < 0) return NULL;
  struct sigaction action = {.sa_handler = ignore_but_interrupt};
  return answer(env, sigaction((int)a[0], &action, NULL));
}

static napi_value path_configuration(napi_env env, napi_callback_info info) {
  long a[2];
  if (words(env, info, a, 2) < 0) return NULL;
  errno = 0;
  return answer(env, pathconf((const char *)a[0], (int)a[1]));
}

static napi_value make_device(napi_env env, napi_callback_info info) {
  long a[2];
  if (words(env, info, a, 2) < 0) return NULL;
  return number(env, (int64_t)makedev((unsigned)a[0], (unsigned)a[1]));
}

static const struct {
  const char *name;
  long long value;
} constants[] = {
#define C(name) {#name, name}
    C(AT_FDCWD), C(AT_SYMLINK_NOFOLLOW), C(AT_SYMLINK_FOLLOW), C(AT_EMPTY_PATH), C(AT_REMOVEDIR), C(AT_EACCESS),
    C(O_RDONLY), C(O_WRONLY), C(O_RDWR), C(O_CREAT), C(O_EXCL), C(O_TRUNC), C(O_APPEND), C(O_DIRECTORY), C(O_NOFOLLOW),
    C(O_PATH), C(O_TMPFILE), C(O_DIRECT), C(O_SYNC), C(O_DSYNC), C(O_NOATIME), C(O_NONBLOCK), C(O_CLOEXEC),
    C(S_IFMT), C(S_IFREG), C(S_IFDIR), C(S_IFLNK), C(S_IFIFO), C(S_IFSOCK), C(S_IFCHR), C(S_IFBLK),
    C(F_OK), C(R_OK), C(W_OK), C(X_OK),
    C(SEEK_SET), C(SEEK_CUR), C(SEEK_END), C(SEEK_DATA), C(SEEK_HOLE),
    C(FALLOC_FL_KEEP_SIZE), C(FALLOC_FL_PUNCH_HOLE), C(FALLOC_FL_ZERO_RANGE), C(FALLOC_FL_COLLAPSE_RANGE),
    C(FALLOC_FL_INSERT_RANGE), C(FALLOC_FL_UNSHARE_RANGE),
    C(RENAME_NOREPLACE), C(RENAME_EXCHANGE), C(RENAME_WHITEOUT),
    C(LOCK_SH), C(LOCK_EX), C(LOCK_UN), C(LOCK_NB),
    C(F_RDLCK), C(F_WRLCK), C(F_UNLCK), C(F_GETLK), C(F_SETLK), C(F_SETLKW), C(F_OFD_GETLK), C(F_OFD_SETLK),
    C(F_OFD_SETLKW), C(F_GETFL), C(F_SETFL), C(F_DUPFD),
    C(XATTR_CREATE), C(XATTR_REPLACE), C(UTIME_NOW), C(UTIME_OMIT),
    C(PROT_READ), C(PROT_WRITE), C(PROT_EXEC), C(MAP_SHARED), C(MAP_PRIVATE), C(MS_SYNC), C(MS_ASYNC), C(MS_INVALIDATE),
    C(PR_SET_PDEATHSIG), C(PR_SET_DUMPABLE), C(SIGKILL), C(SIGUSR1), C(SIGUSR2),
    C(STATX_BASIC_STATS), C(STATX_BTIME), C(AT_STATX_FORCE_SYNC),
    C(_PC_NAME_MAX), C(_PC_LINK_MAX), C(_PC_PATH_MAX), C(ST_RDONLY),
#define N(name) {"SYS_" #name, SYS_##name}
    N(openat), N(close), N(read), N(write), N(pread64), N(pwrite64), N(lseek), N(fallocate), N(renameat2),
    N(copy_file_range), N(statx), N(flock), N(fcntl), N(getxattr), N(lgetxattr), N(fgetxattr), N(setxattr),
    N(lsetxattr), N(fsetxattr), N(listxattr), N(llistxattr), N(flistxattr), N(removexattr), N(lremovexattr),
    N(fremovexattr), N(mmap), N(munmap), N(msync), N(mknodat), N(linkat), N(symlinkat), N(readlinkat), N(unlinkat),
    N(mkdirat), N(utimensat), N(faccessat), N(fchownat), N(fchown), N(fchmod), N(fchmodat), N(statfs), N(fstatfs),
    N(getdents64), N(syncfs), N(truncate), N(ftruncate), N(fsync), N(fdatasync), N(umask), N(chdir), N(fchdir),
    N(prctl), N(getcwd), N(fadvise64), N(sync_file_range), N(pwritev2), N(sendfile), N(splice), N(pipe2),
#ifdef SYS_faccessat2
    N(faccessat2),
#endif
#define E(name) {#name, name}
    E(EPERM), E(ENOENT), E(EINTR), E(EIO), E(ENXIO), E(E2BIG), E(EBADF), E(EAGAIN), E(ENOMEM), E(EACCES), E(EFAULT),
    E(EBUSY), E(EEXIST), E(EXDEV), E(ENODEV), E(ENOTDIR), E(EISDIR), E(EINVAL), E(ENFILE), E(EMFILE), E(ENOTTY),
    E(ETXTBSY), E(EFBIG), E(ENOSPC), E(ESPIPE), E(EROFS), E(EMLINK), E(EPIPE), E(EDEADLK), E(ENAMETOOLONG), E(ENOLCK),
    E(ENOSYS), E(ENOTEMPTY), E(ELOOP), E(ENODATA), E(EOVERFLOW), E(EOPNOTSUPP), E(ERANGE), E(ESTALE), E(ETIMEDOUT),
    E(EDQUOT), E(ENOTCONN), E(ECONNABORTED), E(EDOM), E(EUCLEAN), E(ENOTBLK), E(ESRCH), E(ECHILD), E(EMSGSIZE),
};

NAPI_MODULE_INIT() {
  static const struct {
    const char *name;
    napi_callback function;
  } functions[] = {{"call", call},
                   {"address", address},
                   {"copyMemory", copy_memory},
                   {"become", become},
                   {"interruptOn", interrupt_on},
                   {"pathConfiguration", path_configuration},
                   {"makeDevice", make_device}};
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    napi_value function;
    napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].function, NULL, &function);
    napi_set_named_property(env, exports, functions[i].name, function);
  }
  napi_value table;
  napi_create_object(env, &table);
  for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
    napi_set_named_property(env, table, constants[i].name, number(env, constants[i].value));
  napi_set_named_property(env, exports, "constants", table);
  return exports;
}
