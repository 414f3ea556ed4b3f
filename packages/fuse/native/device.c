// The classic /dev/fuse channel: answer one request, read the next; descriptors over Unix sockets.
#include "addon.h"
#include "files.h"
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

// Per-operation statistics, doubles so that JavaScript reads them where they lie: OPERATIONS rows of
// count, errors, nanoseconds, bytes, then BUCKETS counters; bucket b counts latencies below 2^(b + FIRST_BUCKET) ns.
// Row 0, which is no operation, begins with the -errno of the last reply that the kernel refused.
enum { OPERATIONS = 64, BUCKETS = 24, ROW = 4 + BUCKETS, FIRST_BUCKET = 10 };
// When the request was read, in the 8 bytes before its header.
#define STARTED(request) (((uint64_t *)(request))[-1])

// The processor's own clock where it has one that user space may read: a third of clock_gettime's time.
static inline uint64_t ticks(void) {
#if defined(__x86_64__)
  return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
  uint64_t value;
  __asm__ volatile("mrs %0, cntvct_el0" : "=r"(value));
  return value;
#else
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
#endif
}

static double nanoseconds_per_tick;

// Compares both clocks for two milliseconds, once, when the addon is loaded.
static void calibrate(void) {
  struct timespec from, to;
  clock_gettime(CLOCK_MONOTONIC, &from);
  uint64_t start = ticks();
  double elapsed;
  do {
    clock_gettime(CLOCK_MONOTONIC, &to);
    elapsed = (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
  } while (elapsed < 2e6);
  nanoseconds_per_tick = elapsed / (double)(ticks() - start);
}

static void record(double *statistics, const struct fuse_in_header *request, const struct fuse_out_header *reply, size_t length, uint64_t time) {
  if (request->opcode >= OPERATIONS) return;
  double *row = statistics + request->opcode * ROW;
  uint64_t elapsed = (uint64_t)((double)(time - STARTED(request)) * nanoseconds_per_tick);
  int bucket = 64 - __builtin_clzll(elapsed | 1) - FIRST_BUCKET;
  row[0]++;
  row[2] += (double)elapsed;
  row[4 + (bucket < 0 ? 0 : bucket >= BUCKETS ? BUCKETS - 1 : bucket)]++;
  if (reply->error) row[1]++;
  else if (request->opcode == FUSE_READ) row[3] += (double)(length - sizeof *reply);
  else if (request->opcode == FUSE_WRITE) row[3] += ((const struct fuse_write_out *)(reply + 1))->size;
}

// A reply that the kernel refuses would leave its caller waiting for ever: it gets EIO instead, and the refusal is returned.
// ENOENT is no refusal: the caller was interrupted and is gone.
static int64_t send_reply(int fd, struct fuse_out_header *reply, const struct iovec *vector, int count) {
  int64_t result;
  // Not libc's functions: as cancellation points they cost two atomic operations in a process with threads.
  do result = answer(count == 1 ? syscall(SYS_write, fd, vector[0].iov_base, vector[0].iov_len) : syscall(SYS_writev, fd, vector, count));
  while (result == -EINTR);
  if (result >= 0 || result == -ENOENT) return 0;
  if (result == -EINVAL || result == -EFAULT || result == -ENOMEM) {
    struct fuse_out_header failure = {.len = sizeof failure, .error = -EIO, .unique = reply->unique};
    if (write(fd, &failure, sizeof failure) < 0) return result;
  }
  return result;
}

// What an exchange works on, numbers in memory that JavaScript writes: fetching seven arguments costs as much as the read.
struct exchange {
  double fd, request, reply, length, next, capacity, statistics, result;
  double range_fd, range_offset, range_length, range_nowait;
  // Nanoseconds to look for the next request before saying that there is none.
  double linger;
  // Where the reply's struct fuse_attr lies in its memory, and the descriptor that it is filled in from; no descriptor: -1.
  double attr, attr_fd;
  // Nanoseconds of a turn after which no further request is read, and when its first one was (ticks); 0: none yet.
  double turn, began;
  // Address of the descriptors to be closed once the reply is sent: int32, their number, then they.
  double closing;
  // Bytes from `reply` to where the header goes, right before a payload.
  double reply_at;
};

// The result where a range cannot be read without sleeping: nothing was sent, nothing read.
enum { RANGE_LATER = -4096 };

// Reads a range of a descriptor as the payload. Returns bytes, -errno, or RANGE_LATER.
static int64_t read_range(const struct exchange *e, uint8_t *to) {
  int fd = (int)e->range_fd;
  struct iovec vector = {to, (size_t)e->range_length};
  off_t offset = (off_t)e->range_offset;
  if (!e->range_nowait) return answer(pread(fd, to, vector.iov_len, offset));
  int64_t result = answer(preadv2(fd, &vector, 1, offset, RWF_NOWAIT));
  if (result == -EAGAIN || result == -EOPNOTSUPP) return RANGE_LATER;
  if (result <= 0 || (size_t)result == vector.iov_len) return result;
  // A short read may be the end of what is cached, not of the file.
  struct iovec rest = {to + result, vector.iov_len - (size_t)result};
  return preadv2(fd, &rest, 1, offset + result, RWF_NOWAIT) == 0 ? result : RANGE_LATER;
}

// Sends `length` bytes of `reply`, whose header may lie elsewhere, to `request` unless length is 0, with a range of a descriptor as its payload if range_length
// is not 0; then reads the next request to `next` unless capacity is 0. result: the next request's length, 0 for none asked, or -errno.
static napi_value exchange(napi_env env, napi_callback_info info) {
  void *data;
  napi_get_cb_info(env, info, NULL, NULL, NULL, &data);
  struct exchange *e = data;
  int fd = (int)e->fd;
  size_t length = (size_t)e->length, capacity = (size_t)e->capacity;
  double *statistics = (double *)(uintptr_t)e->statistics;
  uint64_t now = length ? 0 : ticks();
  if (length) {
    uint8_t *memory = (uint8_t *)(uintptr_t)e->reply;
    struct fuse_out_header *reply = (struct fuse_out_header *)(memory + (size_t)e->reply_at);
    if (e->reply_at > 0) memcpy(reply, memory, sizeof *reply);
    if (e->range_length > 0) {
      int64_t bytes = read_range(e, (uint8_t *)(reply + 1));
      if (bytes == RANGE_LATER) {
        e->result = RANGE_LATER;
        return NULL;
      }
      if (bytes < 0) reply->error = (int32_t)bytes;
      else length += (size_t)bytes;
    }
    if (e->attr_fd >= 0) {
      int result = stat_file((int)e->attr_fd, "", AT_EMPTY_PATH, (struct fuse_attr *)(memory + (size_t)e->attr), NULL, false);
      if (result < 0) {
        reply->error = result;
        length = sizeof *reply;
      }
    }
    reply->len = (uint32_t)length;
    now = ticks();
    record(statistics, (const struct fuse_in_header *)(uintptr_t)e->request, reply, length, now);
    struct iovec vector = {reply, length};
    int64_t sent = send_reply(fd, reply, &vector, 1);
    if (sent < 0) statistics[0] = (double)sent;
  }
  int32_t *closing = (int32_t *)(uintptr_t)e->closing;
  while (closing[0] > 0) syscall(SYS_close, closing[closing[0]--]);
  e->result = 0;
  if (!capacity) return NULL;
  bool others = atomic_load_explicit(&offload_completed, memory_order_relaxed);
  if (e->began > 0 && (others || ((double)now - e->began) * nanoseconds_per_tick > e->turn)) return NULL;
  uint8_t *next = (uint8_t *)(uintptr_t)e->next;
  uint64_t until = e->linger > 0 ? ticks() + (uint64_t)(e->linger / nanoseconds_per_tick) : 0;
  ssize_t result;
  for (;;) {
    result = syscall(SYS_read, fd, next, capacity);
    if (result >= 0 || (errno != EINTR && errno != ENOENT && errno != EAGAIN)) break;
    if (errno != EAGAIN) continue;
    if (!until || ticks() >= until) break;
    // Who waits for this CPU, the caller perhaps, goes first.
    sched_yield();
  }
  if (result >= 0) {
    now = ticks();
    STARTED(next) = now;
    if (e->began == 0) e->began = (double)now;
  }
  e->result = (double)answer(result);
  return NULL;
}

// exchanger(control: Float64Array as bytes) -> a function without arguments that makes one exchange. The caller keeps `control` alive.
static napi_value exchanger(napi_env env, napi_callback_info info) {
  ARGUMENTS(1)
  void *control = NULL;
  napi_get_typedarray_info(env, argv[0], NULL, NULL, &control, NULL, NULL);
  napi_value function;
  napi_create_function(env, "exchange", NAPI_AUTO_LENGTH, exchange, control, &function);
  return function;
}

// replyGathered(fd, request, reply, headLength, buffers: Uint8Array[], statistics) -> 0 or -errno
static napi_value reply_gathered(napi_env env, napi_callback_info info) {
  ARGUMENTS(6)
  int fd = (int)argument(env, argv[0]);
  struct fuse_out_header *reply = pointer(env, argv[2]);
  uint32_t count = 0;
  napi_get_array_length(env, argv[4], &count);
  struct iovec vector[1024] = {{reply, (size_t)argument(env, argv[3])}};
  size_t total = vector[0].iov_len;
  bool wrong = count > 1023;
  for (uint32_t i = 0; i < count && !wrong; i++) {
    napi_value buffer;
    napi_typedarray_type type;
    napi_get_element(env, argv[4], i, &buffer);
    wrong = napi_get_typedarray_info(env, buffer, &type, &vector[i + 1].iov_len, &vector[i + 1].iov_base, NULL, NULL) != napi_ok || type != napi_uint8_array;
    total += vector[i + 1].iov_len;
  }
  // No reply at all would leave the caller waiting for ever.
  if (wrong) {
    reply->error = -EIO;
    vector[0].iov_len = total = sizeof *reply;
    count = 0;
  }
  reply->len = (uint32_t)total;
  record(pointer(env, argv[5]), pointer(env, argv[1]), reply, total, ticks());
  int64_t sent = send_reply(fd, reply, vector, (int)count + 1);
  return number(env, wrong && sent == 0 ? -EINVAL : (double)sent);
}

enum { DESCRIPTORS_MAX = 253 }; // SCM_MAX_FD, unix(7)

// receiveDescriptors(socket, dataAddress, dataLength, descriptorsAddress: i32[253]) -> [bytes or -errno, descriptors]
static napi_value receive_descriptors(napi_env env, napi_callback_info info) {
  ARGUMENTS(4)
  struct iovec vector = {pointer(env, argv[1]), (size_t)argument(env, argv[2])};
  union { char bytes[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))]; struct cmsghdr align; } control;
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  int64_t result;
  do result = answer(recvmsg((int)argument(env, argv[0]), &message, MSG_CMSG_CLOEXEC));
  while (result == -EINTR);
  size_t count = 0;
  int *out = pointer(env, argv[3]);
  if (result >= 0) {
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
      if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
      size_t here = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      memcpy(out + count, CMSG_DATA(header), here * sizeof(int));
      count += here;
    }
    if (message.msg_flags & MSG_CTRUNC) {
      for (size_t i = 0; i < count; i++) close(out[i]);
      count = 0;
      result = -EMSGSIZE;
    }
  }
  napi_value pair;
  napi_create_array_with_length(env, 2, &pair);
  napi_set_element(env, pair, 0, number(env, (double)result));
  napi_set_element(env, pair, 1, number(env, (double)count));
  return pair;
}

// sendDescriptors(socket, dataAddress, dataLength, descriptorsAddress: i32[], count) -> bytes or -errno
static napi_value send_descriptors(napi_env env, napi_callback_info info) {
  ARGUMENTS(5)
  size_t count = (size_t)argument(env, argv[4]);
  if (count == 0 || count > DESCRIPTORS_MAX) return number(env, -EINVAL);
  struct iovec vector = {pointer(env, argv[1]), (size_t)argument(env, argv[2])};
  union { char bytes[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))]; struct cmsghdr align; } control;
  memset(&control, 0, sizeof control);
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = CMSG_SPACE(count * sizeof(int))};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(count * sizeof(int));
  memcpy(CMSG_DATA(header), pointer(env, argv[3]), count * sizeof(int));
  int64_t result;
  do result = answer(sendmsg((int)argument(env, argv[0]), &message, MSG_NOSIGNAL));
  while (result == -EINTR);
  return number(env, (double)result);
}

void export_device(napi_env env, napi_value exports) {
  calibrate();
  export_function(env, exports, "exchanger", exchanger);
  export_function(env, exports, "replyGathered", reply_gathered);
  export_function(env, exports, "receiveDescriptors", receive_descriptors);
  export_function(env, exports, "sendDescriptors", send_descriptors);
}
