/* A hit, against clock_gettime + memcpy of the same token, on one thread and on two.
 *
 *     hit STORE NAME
 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "store.h"

enum { ROUNDS = 400, PER_ROUND = 4000, MOST_TRIES = 20 };

typedef double batch(void *);

static wxtoken *wx;
static const char *name;
static wxtoken_token sample;

/* Each thread has its own buffer, as in a real program. Both return nanoseconds per operation. */
static double time_hits(void *unused)
{
    wxtoken_token token;
    double start = now_ns();
    int i;
    (void)unused;
    for (i = 0; i < PER_ROUND; i++)
        get(wx, name, &token);
    return (now_ns() - start) / PER_ROUND;
}

static double time_floor(void *unused)
{
    char copy[sizeof sample.value];
    double start = now_ns();
    int i;
    (void)unused;
    for (i = 0; i < PER_ROUND; i++)
        floor_copy(copy, sample.value, sample.length + 1);
    return (now_ns() - start) / PER_ROUND;
}

/* Two threads that start at the same moment. They sleep between rounds, so that a single thread has the machine to
 * itself. */
static pthread_barrier_t gate;
static int arrived, meetings;
static batch *both_run;
static struct run {
    double start;
    double end;
    long preempted;
} runs[2];

static void run_in_step(struct run *run)
{
    long before = preemptions();
    int here = __atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST);
    while (here < 2 * meetings)
        here = __atomic_load_n(&arrived, __ATOMIC_SEQ_CST);
    run->start = now_ns();
    both_run(NULL);
    run->end = now_ns();
    run->preempted = preemptions() - before;
}

static void *second_thread(void *unused)
{
    (void)unused;
    for (;;) {
        pthread_barrier_wait(&gate);
        if (both_run == NULL)
            return NULL;
        run_in_step(&runs[1]);
        pthread_barrier_wait(&gate);
    }
}

/* Nanoseconds per operation of the two together. It is half of one thread's if neither delays the other. A round is
 * repeated if one of them was preempted, because the two then did not run at once. */
static double time_two(batch *what)
{
    double start, end;
    int tries = 0;

    both_run = what;
    do {
        meetings++;
        pthread_barrier_wait(&gate);
        run_in_step(&runs[0]);
        pthread_barrier_wait(&gate);
    } while ((runs[0].preempted || runs[1].preempted) && ++tries < MOST_TRIES);
    start = runs[0].start < runs[1].start ? runs[0].start : runs[1].start;
    end = runs[0].end > runs[1].end ? runs[0].end : runs[1].end;
    return (end - start) / (2.0 * PER_ROUND);
}

int main(int argc, char **argv)
{
    pthread_t second;
    int i;

    if (argc != 3)
        fail("hit", "STORE NAME");
    name = argv[2];
    wx = open_store(argv[1], "60000");
    get(wx, name, &sample);
    say_fact("token-length", (double)sample.length);
    if (pthread_barrier_init(&gate, NULL, 2) || pthread_create(&second, NULL, second_thread, NULL))
        fail("hit", "no thread");
    for (i = 0; i < ROUNDS; i++) {
        say_bench("c-get", undisturbed(time_hits, NULL));
        say_bench("c-floor", undisturbed(time_floor, NULL));
        say_bench("c-get-2-threads", time_two(time_hits));
        say_bench("c-floor-2-threads", time_two(time_floor));
    }
    both_run = NULL;
    pthread_barrier_wait(&gate);
    pthread_join(second, NULL);
    wxtoken_free(wx);
    return 0;
}
