/* What the shim lets a program do to itself: make the system beneath the library fail, and step its wall clock.
 *
 * shim.so is preloaded and exports one variable, `shim`, of this type; the program finds it by dlsym. While `before` is
 * NULL and `wall_step_s` is NULL, nothing is changed. Both are inherited by forked children. */
#ifndef SHIM_H
#define SHIM_H

enum shim_call {
    SHIM_ALLOCATE, /* malloc, calloc, realloc, posix_memalign, aligned_alloc */
    SHIM_READ,     /* read, pread */
    SHIM_WRITE,    /* write, pwrite */
    SHIM_TRUNCATE, /* ftruncate */
    SHIM_SYNC,     /* fsync, fdatasync */
    SHIM_RECEIVE,  /* recv */
    SHIM_RESOLVE   /* getaddrinfo; `path` is the name, and who returns late answers late */
};

struct shim {
    /* Asked before each of these calls; returns 0 to let it through, or the errno that it fails with. `path` is what
     * the descriptor leads to, and NULL for an allocation. Must not allocate. */
    int (*before)(enum shim_call call, const char *path);
    /* Seconds that are added to the wall clock (clock_gettime, gettimeofday, time); the other clocks are left alone. */
    const volatile long long *wall_step_s;
};

#endif
