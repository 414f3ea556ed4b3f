// A descriptor watched for input by the thread's own event loop (uv_poll).
#include "addon.h"
#include <stdlib.h>

struct watch {
  napi_env env;
  napi_ref callback;
  napi_ref receiver;
  napi_async_context context;
  napi_async_cleanup_hook_handle hook;
  uv_handle_t *handle;
  bool closing;
};

static void on_closed(uv_handle_t *handle) {
  struct watch *watch = uv_handle_get_data(handle);
  free(watch->handle);
  napi_remove_async_cleanup_hook(watch->hook);
  free(watch);
}

static void close_watch(struct watch *watch) {
  if (watch->closing) return;
  watch->closing = true;
  uv_poll_stop(watch->handle);
  uv_close(watch->handle, on_closed);
}

// A worker that exits with an open handle aborts in CheckedUvLoopClose: the hook closes it first.
static void on_cleanup(napi_async_cleanup_hook_handle hook, void *data) {
  (void)hook;
  close_watch(data);
}

static void on_readable(uv_handle_t *handle, int status, int events) {
  (void)status;
  (void)events;
  struct watch *watch = uv_handle_get_data(handle);
  call_back(watch->env, watch->context, watch->receiver, watch->callback, 0, NULL);
}

// watch(fd, callback) -> external
static napi_value watch_descriptor(napi_env env, napi_callback_info info) {
  ARGUMENTS(2)
  uv_loop_t *loop;
  napi_get_uv_event_loop(env, (struct uv_loop_s **)&loop);
  struct watch *watch = calloc(1, sizeof *watch);
  watch->env = env;
  watch->handle = calloc(1, uv_handle_size(UV_POLL));
  int status = uv_poll_init(loop, watch->handle, (int)argument(env, argv[0]));
  if (status < 0) {
    free(watch->handle);
    free(watch);
    return number(env, status);
  }
  uv_handle_set_data(watch->handle, watch);
  napi_value receiver, name, external;
  napi_create_object(env, &receiver);
  napi_create_string_utf8(env, "hawser:fuse", NAPI_AUTO_LENGTH, &name);
  napi_async_init(env, receiver, name, &watch->context);
  napi_create_reference(env, argv[1], 1, &watch->callback);
  napi_create_reference(env, receiver, 1, &watch->receiver);
  napi_add_async_cleanup_hook(env, on_cleanup, watch, &watch->hook);
  uv_poll_start(watch->handle, UV_READABLE, on_readable);
  napi_create_external(env, watch, NULL, NULL, &external);
  return external;
}

static struct watch *unwrap(napi_env env, napi_callback_info info) {
  ARGUMENTS(1)
  void *watch = NULL;
  napi_get_value_external(env, argv[0], &watch);
  return watch;
}

// watchPause(watch), watchResume(watch), watchClose(watch). Paused, it still tells of errors: the other side is gone.
static napi_value watch_pause(napi_env env, napi_callback_info info) {
  uv_poll_start(unwrap(env, info)->handle, UV_DISCONNECT, on_readable);
  return NULL;
}

static napi_value watch_resume(napi_env env, napi_callback_info info) {
  uv_poll_start(unwrap(env, info)->handle, UV_READABLE, on_readable);
  return NULL;
}

// Call once; the watch must not be used after.
static napi_value watch_close(napi_env env, napi_callback_info info) {
  struct watch *watch = unwrap(env, info);
  napi_delete_reference(env, watch->callback);
  napi_delete_reference(env, watch->receiver);
  napi_async_destroy(env, watch->context);
  close_watch(watch);
  return NULL;
}

void export_watch(napi_env env, napi_value exports) {
  export_function(env, exports, "watch", watch_descriptor);
  export_function(env, exports, "watchPause", watch_pause);
  export_function(env, exports, "watchResume", watch_resume);
  export_function(env, exports, "watchClose", watch_close);
}
