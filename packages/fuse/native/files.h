#pragma once
#include <linux/fuse.h>
#include <stdbool.h>
#include <stdint.h>

enum { HANDLE_MAX = 128 }; // MAX_HANDLE_SZ, open_by_handle_at(2)

// What identifies a file, as 32-bit words for JavaScript: see identity.ts of the passthrough source.
struct identity {
  uint32_t mode, nlink;
  uint32_t dev_major, dev_minor;
  uint64_t ino;
  uint64_t birth_seconds;
  uint32_t birth_nanoseconds, attributes;
  uint64_t size;
  uint32_t gid, unused;
  struct { uint32_t bytes; int32_t type; uint8_t data[HANDLE_MAX]; } handle;
};

// statx(2), and name_to_handle_at(2) where `handle` is asked for. Returns 0 or -errno; attr and identity may be NULL.
int stat_file(int directory, const char *path, int flags, struct fuse_attr *attr, struct identity *identity, bool handle);
