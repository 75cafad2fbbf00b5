/* Preloaded: a wall clock that is $WRONG_BY_S ahead. Once the file $WRONG_STEPS_AT exists, it is behind by as much. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int (*real)(clockid_t, struct timespec *);
static long wrong_by;
static char steps_at[4096];

__attribute__((constructor)) static void begin(void)
{
    void *symbol = dlsym(RTLD_NEXT, "clock_gettime");
    const char *by = getenv("WRONG_BY_S"), *steps = getenv("WRONG_STEPS_AT");

    memcpy(&real, &symbol, sizeof symbol);
    wrong_by = by == NULL ? 0 : atol(by);
    /* A server may overwrite its environment. */
    if (steps != NULL && strlen(steps) < sizeof steps_at)
        strcpy(steps_at, steps);
}

static long wrong_now(void)
{
    return steps_at[0] != '\0' && access(steps_at, F_OK) == 0 ? -wrong_by : wrong_by;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result;

    if (real == NULL)
        begin();
    result = real(clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += wrong_now();
    return result;
}

/* The clock that a redis-server reads. */
int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec read;

    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &read) != 0)
        return -1;
    now->tv_sec = read.tv_sec;
    now->tv_usec = read.tv_nsec / 1000;
    return 0;
}
