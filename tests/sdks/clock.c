/* Preloaded: the clocks that count while a host sleeps are ahead by the milliseconds in the file $SDKS_CLOCK, which
 * the test changes. A token's hours thus pass at once, for the server and the SDKs alike, as if the host had slept. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int (*real)(clockid_t, struct timespec *);
static volatile const int64_t *ahead_ms;

__attribute__((constructor)) static void begin(void)
{
    void *symbol = dlsym(RTLD_NEXT, "clock_gettime");
    const char *path = getenv("SDKS_CLOCK");
    int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    void *page;

    memcpy(&real, &symbol, sizeof symbol);
    if (file < 0)
        return;
    page = mmap(NULL, sizeof *ahead_ms, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (page != MAP_FAILED)
        ahead_ms = page;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result;

    if (real == NULL)
        begin();
    result = real(clock, now);
    if (result == 0 && ahead_ms != NULL &&
        (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_BOOTTIME)) {
        now->tv_sec += *ahead_ms / 1000;
        now->tv_nsec += *ahead_ms % 1000 * 1000000;
        if (now->tv_nsec >= 1000000000) {
            now->tv_sec++;
            now->tv_nsec -= 1000000000;
        }
    }
    return result;
}

/* No caller asks for the zone. */
int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec moment;

    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &moment) != 0)
        return -1;
    now->tv_sec = moment.tv_sec;
    now->tv_usec = moment.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out)
{
    struct timespec moment;

    if (clock_gettime(CLOCK_REALTIME, &moment) != 0)
        return -1;
    if (out != NULL)
        *out = moment.tv_sec;
    return moment.tv_sec;
}
