// Any system call by its number, on the calling thread, optionally as another user.
#include "addon.h"
#include "files.h"
#include <fcntl.h>
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

// A call's arguments and result, numbers in memory that JavaScript writes and reads: fetching seven arguments through N-API
// costs as much as a short system call.
struct call {
  double result, arguments[13];
};

static napi_value system_call(napi_env, napi_callback_info);
static napi_value system_call_as(napi_env, napi_callback_info);
static napi_value stat_at(napi_env, napi_callback_info);
static napi_value open_at(napi_env, napi_callback_info);

// caller(kind: 0 syscall, 1 syscallAs, 2 statAt, 3 openAt; control: bytes of Float64Array[14]) -> a function without arguments.
// The caller keeps `control` alive. native.ts has the functions that use it.
static napi_value caller(napi_env env, napi_callback_info info) {
  ARGUMENTS(2)
  static const napi_callback kinds[] = {system_call, system_call_as, stat_at, open_at};
  void *control = NULL;
  napi_get_typedarray_info(env, argv[1], NULL, NULL, &control, NULL, NULL);
  napi_value function;
  napi_create_function(env, "call", NAPI_AUTO_LENGTH, kinds[argument(env, argv[0]) % 4], control, &function);
  return function;
}

static struct call *call_of(napi_env env, napi_callback_info info) {
  void *data;
  napi_get_cb_info(env, info, NULL, NULL, NULL, &data);
  return data;
}

static int64_t make(const double *a) {
  return answer(syscall((long)a[0], (long)a[1], (long)a[2], (long)a[3], (long)a[4], (long)a[5], (long)a[6]));
}

// number, a0 … a5 -> value or -errno
static napi_value system_call(napi_env env, napi_callback_info info) {
  struct call *call = call_of(env, info);
  call->result = (double)make(call->arguments);
  return NULL;
}

// directory, path, flags, attr, identity, handle: 0|1 -> 0 or -errno; attr (struct fuse_attr) and identity may be 0
static napi_value stat_at(napi_env env, napi_callback_info info) {
  struct call *call = call_of(env, info);
  const double *a = call->arguments;
  call->result = stat_file((int)a[0], (const char *)(uintptr_t)a[1], (int)a[2], (struct fuse_attr *)(uintptr_t)a[3],
                           (struct identity *)(uintptr_t)a[4], a[5] != 0);
  return NULL;
}

// Looks at a descriptor that was just opened; one that cannot be looked at is closed. a: attr, identity, handle: 0|1
static int64_t look(int64_t fd, const double *a) {
  if (fd < 0) return fd;
  int result = stat_file((int)fd, "", AT_EMPTY_PATH, (struct fuse_attr *)(uintptr_t)a[0], (struct identity *)(uintptr_t)a[1], a[2] != 0);
  if (result < 0) {
    close((int)fd);
    return result;
  }
  return fd;
}

// directory, path, flags, attr, identity, handle: 0|1 -> descriptor or -errno
static napi_value open_at(napi_env env, napi_callback_info info) {
  struct call *call = call_of(env, info);
  const double *a = call->arguments;
  call->result = (double)look(answer(syscall(SYS_openat, (int)a[0], (const char *)(uintptr_t)a[1], (int)a[2], 0)), a + 3);
  return NULL;
}

// Effective capabilities of this thread with CAP_FSETID on or off; the last state is remembered, since every write by a
// user without it asks for "off" (fuse: FUSE_WRITE_KILL_SUIDGID) and two system calls a write would show.
static __thread int fsetid_dropped;
static int set_fsetid(bool keep) {
  if (fsetid_dropped == !keep) return 0;
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  static __thread struct __user_cap_data_struct data[2];
  static __thread bool known;
  if (!known && syscall(SYS_capget, &header, data)) return -errno;
  known = true;
  if (keep)
    data[0].effective |= data[0].permitted & (1u << CAP_FSETID);
  else
    data[0].effective &= ~(1u << CAP_FSETID);
  if (syscall(SYS_capset, &header, data)) return -errno;
  fsetid_dropped = !keep;
  return 0;
}

// A new thread has the capabilities that its maker had at that moment.
void regain_fsetid(void) {
  fsetid_dropped = 1;
  set_fsetid(true);
}

// keepSetId(keep: 0|1) -> 0 or -errno: whether writes of this thread leave set-id bits alone (CAP_FSETID, capabilities(7))
static napi_value keep_set_id(napi_env env, napi_callback_info info) {
  ARGUMENTS(1)
  return number(env, set_fsetid(argument(env, argv[0]) != 0));
}

// uid, gid, groups address, group count, umask, number, a0 … a3, attr, identity, handle: 0|1 -> value or -errno
// Where identity is not 0, the call opens a descriptor, which is looked at.
// The file-system identity is the thread's own (setfsuid(2), and setgroups(2) by its raw system call); it is restored on
// every path. CAP_FSETID is as at the start, since the mode may hold set-id bits. uid 0 with gid 0 needs no change of identity. The umask is the process's: it is set when it differs.
static napi_value system_call_as(napi_env env, napi_callback_info info) {
  struct call *call = call_of(env, info);
  const double *a = call->arguments;
  uint32_t uid = (uint32_t)a[0], gid = (uint32_t)a[1];
  static int current_umask = -1;
  if ((int)a[4] != current_umask) {
    current_umask = (int)a[4];
    umask((mode_t)current_umask);
  }
  bool other = uid != 0 || gid != 0;
  call->result = set_fsetid(true);
  if (call->result < 0) return NULL;
  if (other) {
    if (syscall(SYS_setgroups, (size_t)a[3], (gid_t *)(uintptr_t)a[2])) {
      call->result = -errno;
      return NULL;
    }
    syscall(SYS_setfsgid, gid);
    syscall(SYS_setfsuid, uid);
  }
  bool changed = !other || ((uint32_t)syscall(SYS_setfsuid, -1) == uid && (uint32_t)syscall(SYS_setfsgid, -1) == gid);
  int64_t result = changed ? make(a + 5) : -EPERM;
  call->result = (double)(a[11] ? look(result, a + 10) : result);
  if (other) {
    syscall(SYS_setfsuid, 0);
    syscall(SYS_setfsgid, 0);
    syscall(SYS_setgroups, 0, NULL);
  }
  return NULL;
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
  export_function(env, exports, "caller", caller);
  export_function(env, exports, "keepSetId", keep_set_id);
  export_function(env, exports, "readNowait", read_nowait);
  export_function(env, exports, "writeNowait", write_nowait);
}
