// System calls that may sleep, made by threads of the addon; completions come back to the event loop.
#include "addon.h"
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// POOL: at most `threads` at once, any order. ORDERED: one thread, in order. OWN: a thread of its own, which cancel() can interrupt.
enum lane { POOL, ORDERED, OWN, LANES };
enum { STACK = 128 * 1024 };
// How long a worker that ends waits for its system calls, which use its memory.
enum { GRACE_MS = 2000 };

struct job {
  struct job *next;
  double id;
  int64_t call[7];
  int64_t result;
  pthread_t thread;
};

struct queue {
  struct job *head, **tail;
  int threads, idle, limit;
};

struct offload {
  pthread_mutex_t mutex;
  pthread_cond_t work[OWN];
  struct queue queues[OWN];
  // Running: in a system call, or about to be.
  struct job *running, *done, **done_tail;
  size_t pending, threads;
  bool closed, handle_closed;
  napi_env env;
  napi_ref callback, receiver;
  napi_async_context context;
  napi_async_cleanup_hook_handle hook;
  uv_handle_t *async;
};

struct thread_start {
  struct offload *offload;
  enum lane lane;
  struct job *job;
};

static void ignore(int signal) { (void)signal; }

atomic_bool offload_completed;

static void complete(struct offload *offload, struct job *job) {
  for (struct job **link = &offload->running; *link; link = &(*link)->next)
    if (*link == job) {
      *link = job->next;
      break;
    }
  job->next = NULL;
  *offload->done_tail = job;
  offload->done_tail = &job->next;
  if (offload->closed) return;
  offload_completed = true;
  uv_async_send(offload->async);
}

static void free_jobs(struct job *job) {
  while (job) {
    struct job *next = job->next;
    free(job);
    job = next;
  }
}

// Unlocks, and frees what nobody uses any more.
static void leave(struct offload *offload) {
  bool last = offload->handle_closed && offload->threads == 0;
  pthread_mutex_unlock(&offload->mutex);
  if (!last) return;
  free_jobs(offload->done);
  free(offload->async);
  free(offload);
}

static void perform(struct job *job) {
  int64_t *c = job->call;
  job->result = answer(syscall(c[0], c[1], c[2], c[3], c[4], c[5], c[6]));
}

// Where threads may run: what the addon was loaded with. A serving thread may have been moved to one CPU since.
static cpu_set_t everywhere;
__attribute__((constructor)) static void remember_affinity(void) { sched_getaffinity(0, sizeof everywhere, &everywhere); }

static void *run(void *data) {
  sched_setaffinity(0, sizeof everywhere, &everywhere);
  regain_fsetid();
  struct thread_start start = *(struct thread_start *)data;
  free(data);
  struct offload *offload = start.offload;
  struct job *job = start.job;
  struct queue *queue = &offload->queues[start.lane == OWN ? POOL : start.lane];
  if (job) perform(job);
  pthread_mutex_lock(&offload->mutex);
  if (job) complete(offload, job);
  while (!start.job) {
    while (!queue->head && !offload->closed) {
      queue->idle++;
      pthread_cond_wait(&offload->work[start.lane], &offload->mutex);
      queue->idle--;
    }
    if (offload->closed) break;
    job = queue->head;
    queue->head = job->next;
    if (!queue->head) queue->tail = &queue->head;
    job->thread = pthread_self();
    job->next = offload->running;
    offload->running = job;
    pthread_mutex_unlock(&offload->mutex);
    perform(job);
    pthread_mutex_lock(&offload->mutex);
    complete(offload, job);
  }
  offload->threads--;
  leave(offload);
  return NULL;
}

static int spawn(struct offload *offload, enum lane lane, struct job *job) {
  struct thread_start *start = malloc(sizeof *start);
  *start = (struct thread_start){offload, lane, job};
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, STACK);
  pthread_t thread;
  int error = pthread_create(&thread, &attributes, run, start);
  pthread_attr_destroy(&attributes);
  if (error) free(start);
  else {
    offload->threads++;
    if (job) job->thread = thread;
  }
  return error;
}

static void on_async(uv_handle_t *handle) {
  struct offload *offload = uv_handle_get_data(handle);
  offload_completed = false;
  pthread_mutex_lock(&offload->mutex);
  struct job *job = offload->done;
  offload->done = NULL;
  offload->done_tail = &offload->done;
  pthread_mutex_unlock(&offload->mutex);
  while (job) {
    struct job *next = job->next;
    if (--offload->pending == 0) uv_unref(offload->async);
    const double arguments[2] = {job->id, (double)job->result};
    free(job);
    call_back(offload->env, offload->context, offload->receiver, offload->callback, 2, arguments);
    job = next;
  }
}

static void on_closed(uv_handle_t *handle) {
  struct offload *offload = uv_handle_get_data(handle);
  napi_remove_async_cleanup_hook(offload->hook);
  pthread_mutex_lock(&offload->mutex);
  offload->handle_closed = true;
  leave(offload);
}

// The thread's JavaScript ends: what has not begun never will. What a worker's system calls read and write goes with it,
// so they are interrupted and waited for. A process that ends needs neither.
static void on_cleanup(napi_async_cleanup_hook_handle hook, void *data) {
  (void)hook;
  struct offload *offload = data;
  bool worker = syscall(SYS_gettid) != getpid();
  pthread_mutex_lock(&offload->mutex);
  offload->closed = true;
  for (int lane = 0; lane < OWN; lane++) {
    struct queue *queue = &offload->queues[lane];
    free_jobs(queue->head);
    queue->head = NULL;
    queue->tail = &queue->head;
    pthread_cond_broadcast(&offload->work[lane]);
  }
  for (int left = GRACE_MS; worker && offload->running && left > 0; left--) {
    for (struct job *job = offload->running; job; job = job->next) pthread_kill(job->thread, SIGRTMIN + 5);
    pthread_mutex_unlock(&offload->mutex);
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    pthread_mutex_lock(&offload->mutex);
  }
  pthread_mutex_unlock(&offload->mutex);
  uv_close(offload->async, on_closed);
}

// offloadStart(threads, callback: (id, result) => void) -> external: once a JavaScript thread
static napi_value offload_start(napi_env env, napi_callback_info info) {
  ARGUMENTS(2)
  struct offload *offload = calloc(1, sizeof *offload);
  pthread_mutex_init(&offload->mutex, NULL);
  for (int lane = 0; lane < OWN; lane++) {
    pthread_cond_init(&offload->work[lane], NULL);
    offload->queues[lane].tail = &offload->queues[lane].head;
    offload->queues[lane].limit = lane == POOL ? (int)argument(env, argv[0]) : 1;
  }
  offload->done_tail = &offload->done;
  offload->env = env;
  napi_value receiver, name, external;
  napi_create_object(env, &receiver);
  napi_create_string_utf8(env, "hawser:offload", NAPI_AUTO_LENGTH, &name);
  napi_async_init(env, receiver, name, &offload->context);
  napi_create_reference(env, argv[1], 1, &offload->callback);
  napi_create_reference(env, receiver, 1, &offload->receiver);
  uv_loop_t *loop;
  napi_get_uv_event_loop(env, (struct uv_loop_s **)&loop);
  offload->async = calloc(1, uv_handle_size(UV_ASYNC));
  uv_async_init(loop, offload->async, on_async);
  uv_handle_set_data(offload->async, offload);
  uv_unref(offload->async);
  napi_add_async_cleanup_hook(env, on_cleanup, offload, &offload->hook);
  // Threads may outlive the environment that loaded this library.
  Dl_info library;
  if (dladdr((void *)(uintptr_t)run, &library)) dlopen(library.dli_fname, RTLD_NOW | RTLD_NODELETE);
  // Without SA_RESTART: a cancelled system call returns EINTR.
  struct sigaction action = {.sa_handler = ignore};
  sigaction(SIGRTMIN + 5, &action, NULL);
  napi_create_external(env, offload, NULL, NULL, &external);
  return external;
}

// offload(pool, lane, id, number, a0 … a5) -> 0 or -errno
static napi_value offload_call(napi_env env, napi_callback_info info) {
  ARGUMENTS(10)
  void *data;
  napi_get_value_external(env, argv[0], &data);
  struct offload *offload = data;
  enum lane lane = (enum lane)argument(env, argv[1]);
  struct job *job = calloc(1, sizeof *job);
  job->id = (double)argument(env, argv[2]);
  for (size_t i = 3; i < argc && i < 10; i++) job->call[i - 3] = argument(env, argv[i]);
  int error = 0;
  pthread_mutex_lock(&offload->mutex);
  if (lane == OWN) {
    job->next = offload->running;
    offload->running = job;
    error = spawn(offload, lane, job);
    if (error) offload->running = job->next;
  } else {
    struct queue *queue = &offload->queues[lane];
    if (!queue->idle && queue->threads < queue->limit) {
      error = spawn(offload, lane, NULL);
      if (!error) queue->threads++;
      else if (queue->threads) error = 0;
    }
    if (!error) {
      *queue->tail = job;
      queue->tail = &job->next;
      pthread_cond_signal(&offload->work[lane]);
    }
  }
  if (!error && offload->pending++ == 0) uv_ref(offload->async);
  pthread_mutex_unlock(&offload->mutex);
  if (error) free(job);
  return number(env, -error);
}

// offloadCancel(pool, id): interrupts a call. A signal that comes before the call sleeps is lost: repeat until it completes.
static napi_value offload_cancel(napi_env env, napi_callback_info info) {
  ARGUMENTS(2)
  void *data;
  napi_get_value_external(env, argv[0], &data);
  struct offload *offload = data;
  double id = (double)argument(env, argv[1]);
  pthread_mutex_lock(&offload->mutex);
  for (struct job *job = offload->running; job; job = job->next)
    if (job->id == id) pthread_kill(job->thread, SIGRTMIN + 5);
  pthread_mutex_unlock(&offload->mutex);
  return NULL;
}

void export_offload(napi_env env, napi_value exports) {
  export_function(env, exports, "offloadStart", offload_start);
  export_function(env, exports, "offload", offload_call);
  export_function(env, exports, "offloadCancel", offload_cancel);
}
