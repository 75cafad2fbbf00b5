/* Preloaded: a wall clock that is $WRONG_BY_S ahead, and behind by as much once the file $WRONG_STEPS_AT is there. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int (*real)(clockid_t, struct timespec *);
static long wrong_by;
static const char *steps_at;

__attribute__((constructor)) static void begin(void)
{
    void *symbol = dlsym(RTLD_NEXT, "clock_gettime");
    const char *by = getenv("WRONG_BY_S");

    memcpy(&real, &symbol, sizeof symbol);
    wrong_by = by == NULL ? 0 : atol(by);
    steps_at = getenv("WRONG_STEPS_AT");
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result;

    if (real == NULL)
        begin();
    result = real(clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += steps_at != NULL && access(steps_at, F_OK) == 0 ? -wrong_by : wrong_by;
    return result;
}
