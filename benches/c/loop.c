/* Only hits, for the programs that count instructions and trace memory.
 *
 *     loop STORE NAME HITS            This many hits on one thread.
 *     loop STORE NAME HITS looks      This many gets that each look at the unchanged store.
 *     loop STORE NAME HITS threads    This many on each of two threads, one after the other. Each thread's accesses are
 *                                     between two writes to a mark, whose address is printed.
 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "store.h"

static wxtoken *wx;
static long hits;
/* The address of a string or a copy changes the count by a few instructions. It must not depend on the size of the
 * environment. */
static wxtoken_token token __attribute__((aligned(64)));
static char name[256] __attribute__((aligned(64)));
/* In a separate cache line. */
static volatile int mark[32] __attribute__((aligned(64)));
static pthread_barrier_t turns;

static void run_hits(wxtoken_token *out)
{
    long i;
    for (i = 0; i < hits; i++)
        get(wx, name, out);
}

static void *run_turn(void *mine)
{
    wxtoken_token own;
    int turn;

    get(wx, name, &own);
    for (turn = 0; turn < 2; turn++) {
        pthread_barrier_wait(&turns);
        if (mine == &mark[turn]) {
            mark[0] = turn + 1;
            run_hits(&own);
            mark[0] = 0;
        }
        pthread_barrier_wait(&turns);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[2];
    int i, looks;

    if (argc < 4)
        fail("loop", "STORE NAME HITS [looks | threads]");
    looks = argc > 4 && strcmp(argv[4], "looks") == 0;
    wx = open_store(argv[1], looks ? "0" : "60000");
    strncpy(name, argv[2], sizeof name - 1);
    hits = atol(argv[3]);
    get(wx, name, &token);
    if (argc == 4 || looks) {
        run_hits(&token);
    } else {
        printf("%p\n", (void *)mark);
        fflush(stdout);
        if (pthread_barrier_init(&turns, NULL, 2))
            fail("loop", "no barrier");
        for (i = 0; i < 2; i++)
            if (pthread_create(&threads[i], NULL, run_turn, (void *)&mark[i]))
                fail("loop", "no thread");
        for (i = 0; i < 2; i++)
            pthread_join(threads[i], NULL);
    }
    wxtoken_free(wx);
    return 0;
}
