// The addon: system calls, and pure functions on bytes where a measurement asks for them. No policy.
#include "addon.h"

void export_function(napi_env env, napi_value exports, const char *name, napi_callback callback) {
  napi_value function;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, NULL, &function);
  napi_set_named_property(env, exports, name, function);
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
