/* Threads that share one handle. Each gets the token when it needs it, and none keeps a copy. Run first_get before, so
   that the account "demo" is in the store. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <wxtoken.h>

enum { THREADS = 8 };

struct worker {
    pthread_t thread;
    wxtoken *wx; /* shared by all threads */
    wxtoken_status status;
    wxtoken_token token;
    wxtoken_error err; /* one for each running call, because errors are returned only here */
};

static void *work(void *argument)
{
    struct worker *worker = (struct worker *)argument;
    worker->status = wxtoken_get(worker->wx, "demo", &worker->token, &worker->err);
    return NULL;
}

int main(void)
{
    static struct worker workers[THREADS];
    wxtoken *wx;
    wxtoken_error err;
    int started, i, same = 0;

    if (wxtoken_init(NULL, &wx, &err) != WXTOKEN_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    for (started = 0; started < THREADS; started++) {
        workers[started].wx = wx;
        if (pthread_create(&workers[started].thread, NULL, work, &workers[started]) != 0)
            break;
    }
    for (i = 0; i < started; i++) {
        pthread_join(workers[i].thread, NULL);
        if (workers[i].status != WXTOKEN_OK)
            fprintf(stderr, "thread %d: %s\n", i, workers[i].err.message);
        else if (workers[0].status == WXTOKEN_OK && strcmp(workers[i].token.value, workers[0].token.value) == 0)
            same++;
    }
    wxtoken_free(wx); /* last, because no other call may be running on the handle */
    printf("%d of %d threads have the same token\n", same, THREADS);
    return same == THREADS ? 0 : 1;
}
