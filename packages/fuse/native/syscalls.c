// Any system call by its number, on the calling thread, optionally as another user.
#include "addon.h"
#include <sys/syscall.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <linux/capability.h>
#include <unistd.h>

// address(view: Uint8Array) -> its first byte's address. The memory of an ArrayBuffer never moves; the caller keeps it alive.
static napi_value address(napi_env env, napi_callback_info info) {
  ARGUMENTS(1)
  void *data = NULL;
  napi_get_typedarray_info(env, argv[0], NULL, NULL, &data, NULL, NULL);
  return number(env, (double)(uintptr_t)data);
}

// syscall(number, a0 … a5) -> value or -errno
static napi_value system_call(napi_env env, napi_callback_info info) {
  ARGUMENTS(7)
  int64_t a[7] = {0};
  for (size_t i = 0; i < argc && i < 7; i++) a[i] = argument(env, argv[i]);
  return number(env, (double)answer(syscall(a[0], a[1], a[2], a[3], a[4], a[5], a[6])));
}

// Effective capabilities of this thread with CAP_FSETID on or off; the last state is remembered, since every write by a
// user without it asks for "off" (fuse: FUSE_WRITE_KILL_SUIDGID) and two system calls a write would show.
static __thread int fsetid_dropped;
static int set_fsetid(bool keep) {
  if (fsetid_dropped == !keep) return 0;
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2];
  if (syscall(SYS_capget, &header, data)) return -errno;
  if (keep)
    data[0].effective |= data[0].permitted & (1u << CAP_FSETID);
  else
    data[0].effective &= ~(1u << CAP_FSETID);
  if (syscall(SYS_capset, &header, data)) return -errno;
  fsetid_dropped = !keep;
  return 0;
}

// keepSetId(keep: 0|1) -> 0 or -errno: whether writes of this thread leave set-id bits alone (CAP_FSETID, capabilities(7))
static napi_value keep_set_id(napi_env env, napi_callback_info info) {
  ARGUMENTS(1)
  return number(env, set_fsetid(argument(env, argv[0]) != 0));
}

// syscallAs(uid, gid, groupsAddress, groupCount, umask, number, a0 … a5) -> value or -errno
// The file-system identity is the thread's own (setfsuid(2), and setgroups(2) by its raw system call); it is restored on
// every path. CAP_FSETID is as at the start, since the mode may hold set-id bits. uid 0 with gid 0 needs no change of identity. The umask is the process's: it is set when it differs.
static napi_value system_call_as(napi_env env, napi_callback_info info) {
  ARGUMENTS(12)
  uint32_t uid = (uint32_t)argument(env, argv[0]), gid = (uint32_t)argument(env, argv[1]);
  gid_t *groups = pointer(env, argv[2]);
  size_t count = (size_t)argument(env, argv[3]);
  static int current_umask = -1;
  int mask = (int)argument(env, argv[4]);
  if (mask != current_umask) {
    umask((mode_t)mask);
    current_umask = mask;
  }
  int64_t a[7] = {0};
  for (size_t i = 5; i < argc && i < 12; i++) a[i - 5] = argument(env, argv[i]);
  bool other = uid != 0 || gid != 0;
  int kept = set_fsetid(true);
  if (kept < 0) return number(env, kept);
  if (other) {
    if (syscall(SYS_setgroups, count, groups)) return number(env, -errno);
    syscall(SYS_setfsgid, gid);
    syscall(SYS_setfsuid, uid);
    if ((uint32_t)syscall(SYS_setfsuid, -1) != uid || (uint32_t)syscall(SYS_setfsgid, -1) != gid) {
      syscall(SYS_setfsuid, 0);
      syscall(SYS_setfsgid, 0);
      syscall(SYS_setgroups, 0, NULL);
      return number(env, -EPERM);
    }
  }
  int64_t result = answer(syscall(a[0], a[1], a[2], a[3], a[4], a[5], a[6]));
  if (other) {
    syscall(SYS_setfsuid, 0);
    syscall(SYS_setfsgid, 0);
    syscall(SYS_setgroups, 0, NULL);
  }
  return number(env, (double)result);
}

// readNowait(fd, address, length, offset) -> bytes, -EAGAIN where it would sleep, -EOPNOTSUPP where the file cannot tell
static napi_value read_nowait(napi_env env, napi_callback_info info) {
  ARGUMENTS(4)
  struct iovec vector = {pointer(env, argv[1]), (size_t)argument(env, argv[2])};
  return number(env, (double)answer(preadv2((int)argument(env, argv[0]), &vector, 1, argument(env, argv[3]), RWF_NOWAIT)));
}

// writeNowait(fd, address, length, offset, append: 0|1) -> as readNowait
static napi_value write_nowait(napi_env env, napi_callback_info info) {
  ARGUMENTS(5)
  struct iovec vector = {pointer(env, argv[1]), (size_t)argument(env, argv[2])};
  int flags = RWF_NOWAIT | (argument(env, argv[4]) ? RWF_APPEND : 0);
  return number(env, (double)answer(pwritev2((int)argument(env, argv[0]), &vector, 1, argument(env, argv[3]), flags)));
}

void export_syscalls(napi_env env, napi_value exports) {
  export_function(env, exports, "address", address);
  export_function(env, exports, "syscall", system_call);
  export_function(env, exports, "syscallAs", system_call_as);
  export_function(env, exports, "keepSetId", keep_set_id);
  export_function(env, exports, "readNowait", read_nowait);
  export_function(env, exports, "writeNowait", write_nowait);
}
