# Drives the mount that record.mjs serves. Each line of input is a JSON string of Python, evaluated with what is defined
# here; each line of output is {"value": ...} or {"errno": n}. `m` is the mount point.
import ctypes, errno, fcntl, json, os, select, signal, socket, stat, struct, sys

m = sys.argv[1]
libc = ctypes.CDLL(None, use_errno=True)
kept = {}  # open descriptors by name


def call(name, *args):
    result = getattr(libc, name)(*args)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def p(name):
    return os.fsencode(f'{m}/{name}')


def keep(name, fd):
    kept[name] = fd


def status(s):
    return {name: str(getattr(s, name)) for name in (
        'st_mode', 'st_ino', 'st_nlink', 'st_uid', 'st_gid', 'st_size', 'st_atime_ns', 'st_mtime_ns', 'st_ctime_ns',
        'st_blksize', 'st_blocks', 'st_rdev')}


def statx(name, flags, mask):
    buffer = ctypes.create_string_buffer(256)
    call('statx', -100, p(name), flags, mask, buffer)
    return buffer.raw[:144].hex()


def renameat2(old, new, flags):
    return call('renameat2', -100, p(old), -100, p(new), flags)


def fallocate(fd, mode, offset, length):
    return call('fallocate', fd, mode, ctypes.c_long(offset), ctypes.c_long(length))


def copy(source, start, target, to, length):
    return os.copy_file_range(source, target, length, start, to)


def lock(fd, command, kind, start, length):
    record = struct.pack('hhqqi4x', kind, os.SEEK_SET, start, length, 0)
    return list(struct.unpack('hhqqi4x', fcntl.fcntl(fd, command, record)))


def wait(fd, events, timeout):
    poll = select.poll()
    poll.register(fd, events)
    return [event for _, event in poll.poll(timeout)]


def control(fd, command, data):
    return list(struct.pack('')) if fcntl.ioctl(fd, command, (buffer := bytearray(data))) < 0 else buffer.hex()


class Interrupted(Exception):
    pass


def interrupted(action):
    def handler(*_):
        raise Interrupted
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        action()
    except Interrupted:
        return 'interrupted'
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def as_user(uid, gid, groups, action):
    os.setgroups(groups)
    os.setegid(gid)
    os.seteuid(uid)
    try:
        return action()
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups([])


os.umask(0o027)
for line in sys.stdin:
    try:
        answer = {'value': eval(json.loads(line))}
    except OSError as error:
        answer = {'errno': error.errno}
    print(json.dumps(answer), flush=True)
