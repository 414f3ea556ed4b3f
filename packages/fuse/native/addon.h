#pragma once
#define _GNU_SOURCE
#include <node_api.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

// A JavaScript number to a signed 64-bit integer. Numbers carry addresses, descriptors, sizes and offsets: all below 2^53.
static inline int64_t argument(napi_env env, napi_value value) {
  double number = 0;
  napi_get_value_double(env, value, &number);
  return (int64_t)number;
}
static inline void *pointer(napi_env env, napi_value value) { return (void *)(uintptr_t)argument(env, value); }
static inline napi_value number(napi_env env, double value) {
  napi_value result;
  napi_create_double(env, value, &result);
  return result;
}
// A system call's answer in the addon's convention: the value, or the negated errno.
static inline int64_t answer(int64_t result) { return result == -1 ? -errno : result; }

#define ARGUMENTS(count)                                  \
  size_t argc = (count);                                  \
  napi_value argv[(count)];                               \
  napi_get_cb_info(env, info, &argc, argv, NULL, NULL);

void regain_fsetid(void);
// Whether a system call made by another thread has ended, and JavaScript has yet to hear of it.
extern atomic_bool offload_completed;
void export_constants(napi_env env, napi_value exports);
void export_syscalls(napi_env env, napi_value exports);
void export_device(napi_env env, napi_value exports);
void export_files(napi_env env, napi_value exports);
void export_watch(napi_env env, napi_value exports);
void export_offload(napi_env env, napi_value exports);
void export_function(napi_env env, napi_value exports, const char *name, napi_callback callback);
// Calls JavaScript from the event loop; what it throws is an uncaught exception.
void call_back(napi_env env, napi_async_context context, napi_ref receiver, napi_ref callback, size_t count, const double *arguments);

// The part of libuv's stable ABI that is used (node-api-headers has no uv.h). The sizes come from uv_handle_size().
typedef struct uv_loop_s uv_loop_t;
typedef struct uv_handle_s uv_handle_t;
enum { UV_ASYNC = 1, UV_POLL = 8 };
enum { UV_READABLE = 1, UV_DISCONNECT = 4 };
size_t uv_handle_size(int type);
void *uv_handle_get_data(const uv_handle_t *handle);
void uv_handle_set_data(uv_handle_t *handle, void *data);
void uv_ref(uv_handle_t *handle);
void uv_unref(uv_handle_t *handle);
void uv_close(uv_handle_t *handle, void (*callback)(uv_handle_t *));
int uv_poll_init(uv_loop_t *loop, uv_handle_t *handle, int descriptor);
int uv_poll_start(uv_handle_t *handle, int events, void (*callback)(uv_handle_t *, int status, int events));
int uv_poll_stop(uv_handle_t *handle);
int uv_async_init(uv_loop_t *loop, uv_handle_t *handle, void (*callback)(uv_handle_t *));
int uv_async_send(uv_handle_t *handle);
