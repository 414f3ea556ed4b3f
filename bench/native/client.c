// The measuring client: one operation in a tight loop, timed per call, one JSON line as the result.
//
//   client OPERATION PATH [--seconds S] [--warmup S] [--clients N] [--cpu C] [--cpu2 C] [--block BYTES] [--bytes BYTES]
//          [--count N] [--backing PATH] [--direct] [--cold]
//
// Operations: probe, ping-pong, fstat, pread, open-close, create-unlink, readdir-stat, seq-read, seq-write,
// rand-read, rand-write, make-file, make-entries.
//
// Each page of a test file begins with its own offset, and every read checks it: a server that answers
// quickly with something else does not pass.

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, SUB_BITS = 6, BUCKETS = (64 - SUB_BITS) << SUB_BITS };

struct result {
	uint64_t ops;
	uint64_t bytes;
	uint64_t busy; // nanoseconds inside the timed parts
	uint64_t max;
	uint64_t buckets[BUCKETS];
};

static struct {
	const char *operation;
	const char *path;
	const char *backing;
	double seconds;
	double warmup;
	int clients;
	int cpu;
	int cpu2;
	size_t block;
	uint64_t bytes;
	uint64_t count;
	bool direct;
	bool cold;
} options = { .seconds = 0.3, .warmup = 0.02, .clients = 1, .cpu = -1, .cpu2 = -1, .block = PAGE };

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...)
{
	int saved = errno;
	va_list list;

	va_start(list, format);
	fprintf(stderr, "client %s: ", options.operation ? options.operation : "");
	vfprintf(stderr, format, list);
	fprintf(stderr, " (%s)\n", saved ? strerror(saved) : "no error");
	va_end(list);
	exit(1);
}

static inline uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

// Log-linear: 64 steps for every power of two, so that a percentile is right within 1.6 %.
static inline unsigned bucket_of(uint64_t value)
{
	if (value < (1u << SUB_BITS))
		return (unsigned)value;
	unsigned shift = 63u - (unsigned)__builtin_clzll(value) - SUB_BITS;

	return ((shift + 1) << SUB_BITS) + (unsigned)((value >> shift) - (1u << SUB_BITS));
}

static double bucket_middle(unsigned bucket)
{
	if (bucket < (1u << SUB_BITS))
		return bucket;
	unsigned shift = (bucket >> SUB_BITS) - 1;
	uint64_t low = ((uint64_t)(bucket & ((1u << SUB_BITS) - 1)) + (1u << SUB_BITS)) << shift;

	return (double)low + (double)((uint64_t)1 << shift) / 2;
}

static inline void record(struct result *result, uint64_t nanoseconds)
{
	result->ops++;
	result->buckets[bucket_of(nanoseconds)]++;
	if (nanoseconds > result->max)
		result->max = nanoseconds;
}

static void pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0)
		die("cannot run on CPU %d", cpu);
}

static void stamp(char *buffer, size_t length, uint64_t offset)
{
	for (size_t i = 0; i + sizeof(uint64_t) <= length; i += PAGE) {
		uint64_t value = offset + i;

		memcpy(buffer + i, &value, sizeof(value));
	}
}

static inline void check(const char *buffer, size_t length, uint64_t offset)
{
	for (size_t i = 0; i + sizeof(uint64_t) <= length; i += PAGE) {
		uint64_t value;

		memcpy(&value, buffer + i, sizeof(value));
		if (value != offset + i) {
			errno = 0;
			die("wrong content at %llu: %llu", (unsigned long long)(offset + i), (unsigned long long)value);
		}
	}
}

static int open_file(int flags)
{
	int fd = open(options.path, flags | (options.direct ? O_DIRECT : 0) | O_CLOEXEC);

	if (fd < 0)
		die("open %s", options.path);
	return fd;
}

static uint64_t file_bytes(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		die("fstat");
	if (options.bytes && (uint64_t)st.st_size > options.bytes)
		return options.bytes;
	return (uint64_t)st.st_size;
}

static char *aligned_buffer(size_t length)
{
	char *buffer;

	if (posix_memalign((void **)&buffer, PAGE, length) != 0)
		die("memory");
	memset(buffer, 0, length);
	return buffer;
}

// Forgets the pages of the file and, when it is named, of the file beneath it.
static void drop(int fd)
{
	fsync(fd);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	if (options.backing) {
		int backing = open(options.backing, O_RDWR | O_CLOEXEC);

		if (backing < 0)
			die("open %s", options.backing);
		fsync(backing);
		posix_fadvise(backing, 0, 0, POSIX_FADV_DONTNEED);
		close(backing);
	}
}

// Runs BODY until the deadline. One clock call an operation: the end of one is the start of the next.
#define TIMED_LOOP(result, deadline, BODY)               \
	do {                                             \
		uint64_t begin = now(), last = begin;    \
		while (last < (deadline)) {              \
			BODY;                            \
			uint64_t end = now();            \
			record(result, end - last);      \
			last = end;                      \
		}                                        \
		(result)->busy += last - begin;          \
	} while (0)

static void run_fstat(struct result *result, uint64_t deadline)
{
	int fd = open_file(O_RDONLY);
	struct stat st;

	TIMED_LOOP(result, deadline, {
		if (fstat(fd, &st) != 0)
			die("fstat");
	});
	close(fd);
}

static void run_pread(struct result *result, uint64_t deadline)
{
	int fd = open_file(O_RDONLY);
	uint64_t bytes = file_bytes(fd), offset = 0;
	char *buffer = aligned_buffer(options.block);

	TIMED_LOOP(result, deadline, {
		if (pread(fd, buffer, options.block, (off_t)offset) != (ssize_t)options.block)
			die("pread at %llu", (unsigned long long)offset);
		check(buffer, options.block, offset);
		result->bytes += options.block;
		offset += options.block;
		if (offset + options.block > bytes)
			offset = 0;
	});
	free(buffer);
	close(fd);
}

static void run_open_close(struct result *result, uint64_t deadline)
{
	TIMED_LOOP(result, deadline, {
		int fd = open_file(O_RDONLY);

		if (close(fd) != 0)
			die("close");
	});
}

static void run_create_unlink(struct result *result, uint64_t deadline)
{
	char name[PATH_MAX];
	uint64_t number = 0;

	TIMED_LOOP(result, deadline, {
		snprintf(name, sizeof(name), "%s/new-%d-%llu", options.path, (int)getpid(), (unsigned long long)number++);
		int fd = open(name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);

		if (fd < 0)
			die("create %s", name);
		if (close(fd) != 0)
			die("close");
		if (unlink(name) != 0)
			die("unlink %s", name);
	});
}

// Whole listings only; an operation is one entry, and the time of reading the names counts.
static void run_readdir_stat(struct result *result, uint64_t deadline)
{
	do {
		uint64_t begin = now(), entries = 0;
		DIR *directory = opendir(options.path);
		struct dirent *entry;
		struct stat st;

		if (directory == NULL)
			die("opendir %s", options.path);
		uint64_t last = begin;
		while ((errno = 0, entry = readdir(directory)) != NULL) {
			if (entry->d_name[0] == '.')
				continue;
			if (fstatat(dirfd(directory), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
				die("stat %s", entry->d_name);
			entries++;
			uint64_t end = now();
			record(result, end - last);
			last = end;
		}
		if (errno)
			die("readdir");
		closedir(directory);
		result->busy += now() - begin;
		if (options.count && entries != options.count) {
			errno = 0;
			die("%llu entries, not %llu", (unsigned long long)entries, (unsigned long long)options.count);
		}
	} while (now() < deadline);
}

// Whole passes over the file, so that cold really is cold; dropping the cache is not timed.
static void run_sequential(struct result *result, uint64_t deadline, bool writing)
{
	char *buffer = aligned_buffer(options.block);
	uint64_t limit = options.bytes;

	if (!writing) {
		int fd = open_file(O_RDONLY);

		limit = file_bytes(fd) / options.block * options.block;
		if (options.cold)
			close(fd);
		else
			for (uint64_t offset = 0; offset < limit; offset += options.block)
				if (pread(fd, buffer, options.block, (off_t)offset) != (ssize_t)options.block)
					die("warming read");
		if (!options.cold) {
			do {
				uint64_t begin = now(), last = begin;

				for (uint64_t offset = 0; offset < limit; offset += options.block) {
					if (pread(fd, buffer, options.block, (off_t)offset) != (ssize_t)options.block)
						die("read at %llu", (unsigned long long)offset);
					uint64_t end = now();

					record(result, end - last);
					last = end;
				}
				check(buffer, options.block, limit - options.block);
				result->busy += last - begin;
				result->bytes += limit;
			} while (now() < deadline);
			close(fd);
			free(buffer);
			return;
		}
	}
	do {
		int fd;

		if (writing) {
			// Cold: blocks are new. Warm: the file is there and is overwritten in place.
			fd = open(options.path, O_WRONLY | O_CREAT | O_CLOEXEC | (options.direct ? O_DIRECT : 0), 0644);
			if (fd < 0)
				die("open %s", options.path);
			if (options.cold && ftruncate(fd, 0) != 0)
				die("truncate");
		} else {
			fd = open_file(O_RDONLY);
			drop(fd);
		}
		uint64_t begin = now(), last = begin;

		for (uint64_t offset = 0; offset < limit; offset += options.block) {
			ssize_t done;

			if (writing) {
				stamp(buffer, options.block, offset);
				done = pwrite(fd, buffer, options.block, (off_t)offset);
			} else {
				done = pread(fd, buffer, options.block, (off_t)offset);
				if (done == (ssize_t)options.block)
					check(buffer, options.block, offset);
			}
			if (done != (ssize_t)options.block)
				die("%s at %llu gave %zd", writing ? "write" : "read", (unsigned long long)offset, done);
			uint64_t end = now();

			record(result, end - last);
			last = end;
		}
		if (close(fd) != 0)
			die("close");
		result->busy += now() - begin;
		result->bytes += limit;
	} while (now() < deadline);
	free(buffer);
}

// Each page once a pass, in a fixed random order; a buffered pass begins with nothing cached.
static void run_random(struct result *result, uint64_t deadline, bool writing)
{
	int fd = open_file(writing ? O_RDWR : O_RDONLY);
	uint64_t pages = file_bytes(fd) / PAGE;
	uint32_t *order = malloc(pages * sizeof(*order));
	char *buffer = aligned_buffer(PAGE);
	uint64_t seed = 88172645463325252ull;

	if (order == NULL || pages == 0)
		die("no pages");
	for (uint64_t i = 0; i < pages; i++)
		order[i] = (uint32_t)i;
	for (uint64_t i = pages - 1; i > 0; i--) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		uint64_t other = seed % (i + 1);
		uint32_t page = order[i];

		order[i] = order[other];
		order[other] = page;
	}
	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	uint64_t next = 0;
	while (now() < deadline) {
		if (options.cold)
			drop(fd);
		uint64_t begin = now(), last = begin, stop = next + pages;

		for (; next < stop && last < deadline; next++) {
			uint64_t offset = (uint64_t)order[next % pages] * PAGE;
			ssize_t done;

			if (writing) {
				memcpy(buffer, &offset, sizeof(offset));
				done = pwrite(fd, buffer, PAGE, (off_t)offset);
			} else {
				done = pread(fd, buffer, PAGE, (off_t)offset);
			}
			if (done != PAGE)
				die("%s at %llu gave %zd", writing ? "write" : "read", (unsigned long long)offset, done);
			if (!writing)
				check(buffer, PAGE, offset);
			uint64_t end = now();

			record(result, end - last);
			last = end;
		}
		result->busy += last - begin;
	}
	result->bytes = result->ops * PAGE;
	free(order);
	free(buffer);
	close(fd);
}

static void ping_pong(struct result *result, uint64_t deadline)
{
	int there[2], back[2];
	char byte = 'x';

	if (pipe2(there, O_CLOEXEC) != 0 || pipe2(back, O_CLOEXEC) != 0)
		die("pipe");
	pid_t child = fork();
	if (child < 0)
		die("fork");
	if (child == 0) {
		pin(options.cpu2);
		close(there[1]);
		close(back[0]);
		while (read(there[0], &byte, 1) == 1)
			if (write(back[1], &byte, 1) != 1)
				break;
		_exit(0);
	}
	close(there[0]);
	close(back[1]);
	TIMED_LOOP(result, deadline, {
		if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
			die("pipe");
	});
	close(there[1]);
	waitpid(child, NULL, 0);
	close(back[0]);
}

static void run(struct result *result, uint64_t deadline)
{
	const char *name = options.operation;

	if (strcmp(name, "fstat") == 0)
		run_fstat(result, deadline);
	else if (strcmp(name, "pread") == 0)
		run_pread(result, deadline);
	else if (strcmp(name, "open-close") == 0)
		run_open_close(result, deadline);
	else if (strcmp(name, "create-unlink") == 0)
		run_create_unlink(result, deadline);
	else if (strcmp(name, "readdir-stat") == 0)
		run_readdir_stat(result, deadline);
	else if (strcmp(name, "seq-read") == 0)
		run_sequential(result, deadline, false);
	else if (strcmp(name, "seq-write") == 0)
		run_sequential(result, deadline, true);
	else if (strcmp(name, "rand-read") == 0)
		run_random(result, deadline, false);
	else if (strcmp(name, "rand-write") == 0)
		run_random(result, deadline, true);
	else if (strcmp(name, "ping-pong") == 0)
		ping_pong(result, deadline);
	else {
		errno = 0;
		die("unknown operation");
	}
}

static void make_file(void)
{
	int fd = open(options.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	size_t block = 1 << 20;
	char *buffer = aligned_buffer(block);

	if (fd < 0)
		die("create %s", options.path);
	for (uint64_t offset = 0; offset < options.bytes; offset += block) {
		stamp(buffer, block, offset);
		if (pwrite(fd, buffer, block, (off_t)offset) != (ssize_t)block)
			die("write %s", options.path);
	}
	if (fsync(fd) != 0 || close(fd) != 0)
		die("close %s", options.path);
	free(buffer);
}

static void make_entries(void)
{
	char name[PATH_MAX];

	for (uint64_t i = 0; i < options.count; i++) {
		snprintf(name, sizeof(name), "%s/file-%06llu.txt", options.path, (unsigned long long)i);
		int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

		if (fd < 0 || close(fd) != 0)
			die("create %s", name);
	}
}

static double percentile(const struct result *result, double fraction)
{
	uint64_t wanted = (uint64_t)((double)result->ops * fraction), seen = 0;

	for (unsigned i = 0; i < BUCKETS; i++) {
		seen += result->buckets[i];
		if (seen > wanted)
			return bucket_middle(i);
	}
	return (double)result->max;
}

static void parse(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: client OPERATION PATH [options]\n");
		exit(2);
	}
	options.operation = argv[1];
	options.path = argv[2];
	for (int i = 3; i < argc; i++) {
		const char *name = argv[i];

		if (strcmp(name, "--direct") == 0) {
			options.direct = true;
			continue;
		}
		if (strcmp(name, "--cold") == 0) {
			options.cold = true;
			continue;
		}
		const char *value = ++i < argc ? argv[i] : "";

		if (strcmp(name, "--seconds") == 0)
			options.seconds = atof(value);
		else if (strcmp(name, "--warmup") == 0)
			options.warmup = atof(value);
		else if (strcmp(name, "--clients") == 0)
			options.clients = atoi(value);
		else if (strcmp(name, "--cpu") == 0)
			options.cpu = atoi(value);
		else if (strcmp(name, "--cpu2") == 0)
			options.cpu2 = atoi(value);
		else if (strcmp(name, "--block") == 0)
			options.block = strtoull(value, NULL, 10);
		else if (strcmp(name, "--bytes") == 0)
			options.bytes = strtoull(value, NULL, 10);
		else if (strcmp(name, "--count") == 0)
			options.count = strtoull(value, NULL, 10);
		else if (strcmp(name, "--backing") == 0)
			options.backing = value;
		else {
			errno = 0;
			die("unknown option %s", name);
		}
	}
}

int main(int argc, char **argv)
{
	parse(argc, argv);
	if (strcmp(options.operation, "probe") == 0) {
		struct stat st;

		if (stat(options.path, &st) != 0)
			die("stat %s", options.path);
		return 0;
	}
	if (strcmp(options.operation, "make-file") == 0) {
		make_file();
		return 0;
	}
	if (strcmp(options.operation, "make-entries") == 0) {
		make_entries();
		return 0;
	}

	int clients = options.clients;
	int gate[2];
	size_t length = sizeof(struct result) * (size_t)clients;
	struct result *results = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (clients < 1 || results == MAP_FAILED || pipe2(gate, O_CLOEXEC) != 0)
		die("cannot start %d clients", clients);
	pin(options.cpu);
	for (int i = 0; i < clients; i++) {
		pid_t child = fork();

		if (child < 0)
			die("fork");
		if (child == 0) {
			char byte;
			struct result *scratch = calloc(1, sizeof(*scratch));

			// The end of the pipe's writer is the starting gun for all at once.
			close(gate[1]);
			if (read(gate[0], &byte, 1) != 0)
				_exit(1);
			if (options.warmup > 0)
				run(scratch, now() + (uint64_t)(options.warmup * 1e9));
			run(&results[i], now() + (uint64_t)(options.seconds * 1e9));
			exit(0);
		}
	}
	close(gate[1]);
	close(gate[0]);
	bool failed = false;
	for (int i = 0; i < clients; i++) {
		int status;

		if (wait(&status) < 0 || status != 0)
			failed = true;
	}
	if (failed)
		return 1;

	struct result *total = &results[0];
	// Rates add up over the clients; each divides by its own busy time.
	double rate = (double)total->ops / ((double)total->busy / 1e9);
	double byte_rate = (double)total->bytes / ((double)total->busy / 1e9);
	for (int i = 1; i < clients; i++) {
		const struct result *other = &results[i];

		rate += (double)other->ops / ((double)other->busy / 1e9);
		byte_rate += (double)other->bytes / ((double)other->busy / 1e9);
		total->ops += other->ops;
		total->bytes += other->bytes;
		total->busy += other->busy;
		if (other->max > total->max)
			total->max = other->max;
		for (unsigned j = 0; j < BUCKETS; j++)
			total->buckets[j] += other->buckets[j];
	}
	printf("{\"ops\":%llu,\"bytes\":%llu,\"milliseconds\":%.3f,\"opsPerSecond\":%.1f,\"bytesPerSecond\":%.0f,"
	       "\"p50\":%.0f,\"p99\":%.0f,\"max\":%llu}\n",
	       (unsigned long long)total->ops, (unsigned long long)total->bytes, (double)total->busy / 1e6 / clients, rate,
	       byte_rate, percentile(total, 0.5), percentile(total, 0.99), (unsigned long long)total->max);
	return 0;
}
