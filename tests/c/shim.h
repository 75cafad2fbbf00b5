/* The shim lets a program make the system beneath the library fail, and step its own wall clock.
 *
 * shim.so is preloaded and exports one variable, `shim`, of this type. The program finds it with dlsym. While
 * `before` and `wall_step_s` are NULL, nothing is changed. Forked children inherit both. */
#ifndef SHIM_H
#define SHIM_H

enum shim_call {
    SHIM_ALLOCATE, /* malloc, calloc, realloc, posix_memalign, aligned_alloc */
    SHIM_READ, /* read, pread */
    SHIM_WRITE, /* write, pwrite */
    SHIM_TRUNCATE, /* ftruncate */
    SHIM_SYNC, /* fsync, fdatasync */
    SHIM_RECEIVE, /* recv */
    SHIM_RESOLVE /* getaddrinfo; `path` is the name. Returning late makes the answer late */
};

struct shim {
    /* Called before each of these calls. Returns 0 to let it proceed, or the errno to fail with. `path` is the file
     * of the descriptor, or NULL for an allocation. Must not allocate. */
    int (*before)(enum shim_call call, const char *path);
    /* Seconds added to the wall clock (clock_gettime, gettimeofday, time). Other clocks are unchanged. */
    const volatile long long *wall_step_s;
};

#endif
