// Makes one program open one file with O_DIRECT: fsx has no such option. Loaded with LD_PRELOAD.
//
// OPEN_DIRECT_FILE names the file. Reads and writes go through a page-aligned buffer, as direct I/O wants;
// a request that is refused (EINVAL) is passed on as it is, never repeated without O_DIRECT. At exit the
// numbers of direct opens, reads and writes are printed, so that the caller can assert they were direct.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static unsigned long opens, reads, writes;

static int wanted(const char *path) {
  const char *file = getenv("OPEN_DIRECT_FILE");
  return file != NULL && strcmp(file, path) == 0;
}

static int is_direct(int descriptor) {
  int flags = fcntl(descriptor, F_GETFL);
  return flags >= 0 && (flags & O_DIRECT) != 0;
}

static void *next_symbol(const char *name) {
  void *symbol = dlsym(RTLD_NEXT, name);
  if (symbol == NULL) abort();
  return symbol;
}

static int open_file(const char *name, const char *path, int flags, mode_t mode) {
  int (*next)(const char *, int, ...) = (int (*)(const char *, int, ...))next_symbol(name);
  if (!wanted(path)) return next(path, flags, mode);
  int descriptor = next(path, flags | O_DIRECT, mode);
  if (descriptor >= 0) opens++;
  return descriptor;
}

#define OPEN(NAME)                                          \
  int NAME(const char *path, int flags, ...) {              \
    mode_t mode = 0;                                        \
    if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE) { \
      va_list list;                                         \
      va_start(list, flags);                                \
      mode = va_arg(list, mode_t);                          \
      va_end(list);                                         \
    }                                                       \
    return open_file(#NAME, path, flags, mode);             \
  }

OPEN(open)
OPEN(open64)

static void *bounce(size_t size) {
  void *buffer = NULL;
  int failure = posix_memalign(&buffer, 4096, size ? size : 1);
  if (failure != 0) errno = failure;
  return failure != 0 ? NULL : buffer;
}

ssize_t pread64(int descriptor, void *target, size_t size, off64_t offset) {
  ssize_t (*next)(int, void *, size_t, off64_t) = (ssize_t (*)(int, void *, size_t, off64_t))next_symbol("pread64");
  if (!is_direct(descriptor)) return next(descriptor, target, size, offset);
  void *buffer = bounce(size);
  if (buffer == NULL) return -1;
  ssize_t done = next(descriptor, buffer, size, offset);
  int failure = errno;
  if (done > 0) memcpy(target, buffer, (size_t)done);
  free(buffer);
  reads++;
  errno = failure;
  return done;
}

ssize_t pwrite64(int descriptor, const void *source, size_t size, off64_t offset) {
  ssize_t (*next)(int, const void *, size_t, off64_t) =
      (ssize_t (*)(int, const void *, size_t, off64_t))next_symbol("pwrite64");
  if (!is_direct(descriptor)) return next(descriptor, source, size, offset);
  void *buffer = bounce(size);
  if (buffer == NULL) return -1;
  memcpy(buffer, source, size);
  ssize_t done = next(descriptor, buffer, size, offset);
  int failure = errno;
  free(buffer);
  writes++;
  errno = failure;
  return done;
}

__attribute__((destructor)) static void report(void) {
  fprintf(stderr, "open-direct: %lu opens, %lu reads, %lu writes\n", opens, reads, writes);
}
