// The addon: system calls, and pure functions on bytes where a measurement asks for them. No policy.
#include "addon.h"

void export_function(napi_env env, napi_value exports, const char *name, napi_callback callback) {
  napi_value function;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, NULL, &function);
  napi_set_named_property(env, exports, name, function);
}

void call_back(napi_env env, napi_async_context context, napi_ref receiver, napi_ref callback, size_t count, const double *arguments) {
  napi_handle_scope scope;
  napi_value object, function, values[2];
  napi_open_handle_scope(env, &scope);
  napi_get_reference_value(env, receiver, &object);
  napi_get_reference_value(env, callback, &function);
  for (size_t i = 0; i < count; i++) values[i] = number(env, arguments[i]);
  napi_make_callback(env, context, object, function, count, values, NULL);
  bool pending = false;
  if (napi_is_exception_pending(env, &pending) == napi_ok && pending) {
    napi_value error;
    napi_get_and_clear_last_exception(env, &error);
    napi_fatal_exception(env, error);
  }
  napi_close_handle_scope(env, scope);
}

static napi_value initialize(napi_env env, napi_value exports) {
  export_constants(env, exports);
  export_syscalls(env, exports);
  export_device(env, exports);
  export_files(env, exports);
  export_watch(env, exports);
  export_offload(env, exports);
  return exports;
}
NAPI_MODULE(hawser_fuse, initialize)
