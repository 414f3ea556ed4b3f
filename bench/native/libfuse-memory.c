// A low-level libfuse server with one file in memory, /data: the yardstick for round trips.
//
// Nothing is cached by the kernel (timeouts 0, direct I/O), so that every fstat is one GETATTR and every pread one READ,
// and the answer costs nothing but libfuse itself. libfuse's own examples fix a timeout of one second, which
// would measure the kernel's cache.
//
//   libfuse-memory [-s] [-f] [-o clone_fd] --bytes=N MOUNTPOINT

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { FILE_INODE = 2, STAMP_STEP = 4096 };

struct memory_options {
	unsigned long long bytes;
};

static const struct fuse_opt option_specs[] = {
	{ "--bytes=%llu", offsetof(struct memory_options, bytes), 0 },
	FUSE_OPT_END,
};

static char *content;
static size_t content_bytes;
static struct timespec started;
static uid_t owner;
static gid_t group;

static int fill_stat(fuse_ino_t ino, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_ino = ino;
	st->st_uid = owner;
	st->st_gid = group;
	st->st_atim = st->st_mtim = st->st_ctim = started;
	st->st_blksize = 4096;
	if (ino == FUSE_ROOT_ID) {
		st->st_mode = S_IFDIR | 0755;
		st->st_nlink = 2;
	} else if (ino == FILE_INODE) {
		st->st_mode = S_IFREG | 0644;
		st->st_nlink = 1;
		st->st_size = (off_t)content_bytes;
		st->st_blocks = (blkcnt_t)(content_bytes / 512);
	} else {
		return ENOENT;
	}
	return 0;
}

static void memory_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param entry;

	if (parent != FUSE_ROOT_ID || strcmp(name, "data") != 0) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	memset(&entry, 0, sizeof(entry));
	entry.ino = FILE_INODE;
	fill_stat(FILE_INODE, &entry.attr);
	fuse_reply_entry(req, &entry);
}

static void memory_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;
	int error = fill_stat(ino, &st);

	(void)fi;
	if (error)
		fuse_reply_err(req, error);
	else
		fuse_reply_attr(req, &st, 0);
}

static void memory_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	if (ino != FILE_INODE) {
		fuse_reply_err(req, EISDIR);
		return;
	}
	fi->direct_io = 1;
	fuse_reply_open(req, fi);
}

static void memory_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	(void)ino;
	(void)fi;
	if ((size_t)offset >= content_bytes) {
		fuse_reply_buf(req, NULL, 0);
		return;
	}
	if (size > content_bytes - (size_t)offset)
		size = content_bytes - (size_t)offset;
	fuse_reply_buf(req, content + offset, size);
}

static const struct fuse_lowlevel_ops operations = {
	.lookup = memory_lookup,
	.getattr = memory_getattr,
	.open = memory_open,
	.read = memory_read,
};

int main(int argc, char **argv)
{
	struct fuse_args args = FUSE_ARGS_INIT(argc, argv);
	struct memory_options options = { .bytes = 64ull << 20 };
	struct fuse_cmdline_opts command;
	struct fuse_session *session = NULL;
	int result = 1;

	if (fuse_opt_parse(&args, &options, option_specs, NULL) != 0 || fuse_parse_cmdline(&args, &command) != 0)
		return 1;
	if (command.mountpoint == NULL) {
		fprintf(stderr, "usage: %s [-s] [-f] --bytes=N MOUNTPOINT\n", argv[0]);
		goto out;
	}

	content_bytes = options.bytes;
	content = calloc(1, content_bytes);
	if (content == NULL) {
		perror("libfuse-memory: memory");
		goto out;
	}
	// Each page begins with its own offset: the client checks that it got the page it asked for.
	for (uint64_t offset = 0; offset + sizeof(offset) <= content_bytes; offset += STAMP_STEP)
		memcpy(content + offset, &offset, sizeof(offset));
	clock_gettime(CLOCK_REALTIME, &started);
	owner = getuid();
	group = getgid();

	session = fuse_session_new(&args, &operations, sizeof(operations), NULL);
	if (session == NULL)
		goto out;
	if (fuse_set_signal_handlers(session) != 0)
		goto destroy;
	if (fuse_session_mount(session, command.mountpoint) != 0)
		goto handlers;
	fuse_daemonize(command.foreground);
	if (command.singlethread) {
		result = fuse_session_loop(session);
	} else {
		struct fuse_loop_config *config = fuse_loop_cfg_create();

		fuse_loop_cfg_set_clone_fd(config, command.clone_fd);
		fuse_loop_cfg_set_max_threads(config, command.max_threads);
		result = fuse_session_loop_mt(session, config);
		fuse_loop_cfg_destroy(config);
	}
	fuse_session_unmount(session);
handlers:
	fuse_remove_signal_handlers(session);
destroy:
	fuse_session_destroy(session);
out:
	free(content);
	free(command.mountpoint);
	fuse_opt_free_args(&args);
	return result == 0 ? 0 : 1;
}
