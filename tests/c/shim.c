/* Stands between the library and the C library, as shim.h explains. Built as shim.so, and preloaded. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "shim.h"

extern struct shim shim;
struct shim shim;

static struct {
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    int (*posix_memalign)(void **, size_t, size_t);
    void *(*aligned_alloc)(size_t, size_t);
    ssize_t (*read)(int, void *, size_t);
    ssize_t (*pread)(int, void *, size_t, off_t);
    ssize_t (*write)(int, const void *, size_t);
    ssize_t (*pwrite)(int, const void *, size_t, off_t);
    int (*ftruncate)(int, off_t);
    int (*fsync)(int);
    int (*fdatasync)(int);
    ssize_t (*recv)(int, void *, size_t, int);
    int (*getaddrinfo)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    int (*clock_gettime)(clockid_t, struct timespec *);
} real;

static int is_finding;

/* Uses memcpy, because ISO C has no cast from an object pointer to a function pointer. */
static void find(const char *name, void *function)
{
    void *symbol = dlsym(RTLD_NEXT, name);
    if (symbol == NULL)
        abort();
    memcpy(function, &symbol, sizeof symbol);
}

/* Runs when the shim is loaded, or earlier if the loader allocates. The process has one thread then. */
__attribute__((constructor)) static void find_all(void)
{
    if (real.clock_gettime != NULL)
        return;
    is_finding = 1;
    find("malloc", &real.malloc);
    find("calloc", &real.calloc);
    find("realloc", &real.realloc);
    find("posix_memalign", &real.posix_memalign);
    find("aligned_alloc", &real.aligned_alloc);
    find("read", &real.read);
    find("pread", &real.pread);
    find("write", &real.write);
    find("pwrite", &real.pwrite);
    find("ftruncate", &real.ftruncate);
    find("fsync", &real.fsync);
    find("fdatasync", &real.fdatasync);
    find("recv", &real.recv);
    find("getaddrinfo", &real.getaddrinfo);
    find("clock_gettime", &real.clock_gettime);
    is_finding = 0;
}

/* Whether the call must fail; errno has the reason. */
static int fails(enum shim_call call, int fd)
{
    char link[32], path[4096];
    ssize_t length;
    int kept = errno;

    if (shim.before == NULL)
        return 0;
    if (call == SHIM_ALLOCATE) {
        errno = shim.before(call, NULL);
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        length = readlink(link, path, sizeof path - 1);
        path[length < 0 ? 0 : length] = '\0';
        errno = shim.before(call, path);
    }
    if (errno != 0)
        return 1;
    errno = kept;
    return 0;
}

/* dlsym itself may allocate, and copes with NULL. */
static int may_allocate(void)
{
    if (is_finding)
        return 0;
    find_all();
    return !fails(SHIM_ALLOCATE, -1);
}

void *malloc(size_t size)
{
    return may_allocate() ? real.malloc(size) : NULL;
}

void *calloc(size_t count, size_t size)
{
    return may_allocate() ? real.calloc(count, size) : NULL;
}

void *realloc(void *memory, size_t size)
{
    return may_allocate() ? real.realloc(memory, size) : NULL;
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
    return may_allocate() ? real.posix_memalign(memory, alignment, size) : ENOMEM;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return may_allocate() ? real.aligned_alloc(alignment, size) : NULL;
}

ssize_t read(int fd, void *buffer, size_t size)
{
    return fails(SHIM_READ, fd) ? -1 : real.read(fd, buffer, size);
}

ssize_t pread(int fd, void *buffer, size_t size, off_t offset)
{
    return fails(SHIM_READ, fd) ? -1 : real.pread(fd, buffer, size, offset);
}

ssize_t write(int fd, const void *buffer, size_t size)
{
    return fails(SHIM_WRITE, fd) ? -1 : real.write(fd, buffer, size);
}

ssize_t pwrite(int fd, const void *buffer, size_t size, off_t offset)
{
    return fails(SHIM_WRITE, fd) ? -1 : real.pwrite(fd, buffer, size, offset);
}

int ftruncate(int fd, off_t size)
{
    return fails(SHIM_TRUNCATE, fd) ? -1 : real.ftruncate(fd, size);
}

/* glibc's other names for them. An offset has 64 bits in both. */
#ifdef __GLIBC__
ssize_t pread64(int fd, void *buffer, size_t size, off64_t offset)
{
    return pread(fd, buffer, size, offset);
}

ssize_t pwrite64(int fd, const void *buffer, size_t size, off64_t offset)
{
    return pwrite(fd, buffer, size, offset);
}

int ftruncate64(int fd, off64_t size)
{
    return ftruncate(fd, size);
}
#endif

int fsync(int fd)
{
    return fails(SHIM_SYNC, fd) ? -1 : real.fsync(fd);
}

int fdatasync(int fd)
{
    return fails(SHIM_SYNC, fd) ? -1 : real.fdatasync(fd);
}

ssize_t recv(int fd, void *buffer, size_t size, int flags)
{
    return fails(SHIM_RECEIVE, fd) ? -1 : real.recv(fd, buffer, size, flags);
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    if (shim.before != NULL && shim.before(SHIM_RESOLVE, name) != 0)
        return EAI_AGAIN;
    return real.getaddrinfo(name, service, hints, found);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int done = real.clock_gettime(clock, now);
    if (done == 0 && shim.wall_step_s != NULL && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += *shim.wall_step_s;
    return done;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec precise;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now)
{
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (now != NULL)
        *now = precise.tv_sec;
    return precise.tv_sec;
}
