/* One of the processes that go through an expiry. THREADS threads get the token every PACE_US for SECONDS. They
 * write the duration of each get to OUT as pairs of 64-bit numbers: nanoseconds, and whether the thread was
 * preempted meanwhile.
 *
 *     expiry STORE NAME THREADS SECONDS PACE_US OUT
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench.h"
#include "store.h"

enum { MOST_THREADS = 64 };

struct timing {
    unsigned long long ns;
    unsigned long long preempted;
};

struct worker {
    pthread_t thread;
    struct timing *timings;
    size_t count;
};

static wxtoken *wx;
static const char *name;
static double until;
static unsigned pace_us;
static size_t most;

static void *work(void *argument)
{
    struct worker *worker = argument;
    while (worker->count < most && now_ns() < until) {
        wxtoken_token token;
        long before = preemptions();
        double start = now_ns();
        get(wx, name, &token);
        worker->timings[worker->count].ns = (unsigned long long)(now_ns() - start);
        worker->timings[worker->count].preempted = preemptions() != before;
        worker->count++;
        usleep(pace_us);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    struct worker workers[MOST_THREADS];
    wxtoken_error err;
    FILE *out;
    int threads = argc == 7 ? atoi(argv[3]) : 0, i;

    if (threads < 1 || threads > MOST_THREADS)
        fail("expiry", "STORE NAME THREADS SECONDS PACE_US OUT");
    name = argv[2];
    pace_us = (unsigned)atoi(argv[5]);
    most = (size_t)(atof(argv[4]) * 1e6 / pace_us) + 1;
    if (wxtoken_init(argv[1], &wx, &err))
        fail("wxtoken_init", err.message);
    until = now_ns() + atof(argv[4]) * 1e9;
    for (i = 0; i < threads; i++) {
        workers[i].count = 0;
        workers[i].timings = malloc(most * sizeof *workers[i].timings);
        if (workers[i].timings == NULL || pthread_create(&workers[i].thread, NULL, work, &workers[i]))
            fail("expiry", "no thread");
    }
    out = fopen(argv[6], "wb");
    if (out == NULL)
        fail(argv[6], "cannot be written");
    for (i = 0; i < threads; i++) {
        pthread_join(workers[i].thread, NULL);
        fwrite(workers[i].timings, sizeof *workers[i].timings, workers[i].count, out);
    }
    wxtoken_free(wx);
    return fclose(out) != 0;
}
