/* Many threads, with one handle and with one each. Threads only record results; the main thread checks. */
#define _XOPEN_SOURCE 700
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stories.h"

enum { THREADS = 8, ROUNDS = 200 };

struct worker {
    pthread_t thread;
    pthread_barrier_t *start;
    const struct place *place;
    void (*round)(struct worker *worker, int round);
    int number;
    int failures;
    wxtoken_error err; /* of the last failure */
    wxtoken_token first; /* the token of the first round */
};

static void note(struct worker *worker, wxtoken_status status)
{
    worker->failures += status != WXTOKEN_OK;
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    int round;
    pthread_barrier_wait(worker->start);
    for (round = 0; round < ROUNDS; round++)
        worker->round(worker, round);
    return NULL;
}

/* Lets all threads run their rounds at once. */
static void run_together(struct worker workers[THREADS], const struct place *place, void (*round)(struct worker *, int))
{
    pthread_barrier_t start;
    int i;

    memset(workers, 0, THREADS * sizeof *workers);
    pthread_barrier_init(&start, NULL, THREADS);
    for (i = 0; i < THREADS; i++) {
        workers[i].start = &start;
        workers[i].place = place;
        workers[i].round = round;
        workers[i].number = i;
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) {
            puts("pthread_create failed: raise the limit of threads");
            exit(1);
        }
    }
    for (i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        if (workers[i].failures != 0)
            printf("    thread %d: %s\n", i, workers[i].err.message);
        CHECK_EQUAL(workers[i].failures, 0);
        CHECK(strcmp(workers[i].first.value, workers[0].first.value) == 0);
    }
    pthread_barrier_destroy(&start);
}

static void get(struct worker *worker, wxtoken *wx, const char *name, int round)
{
    wxtoken_token token;
    wxtoken_status status = wxtoken_get(wx, name, &token, &worker->err);
    note(worker, status);
    if (status != WXTOKEN_OK)
        return;
    if (round == 0)
        worker->first = token;
    else
        worker->failures += strcmp(token.value, worker->first.value) != 0;
}

static void get_only(struct worker *worker, int round)
{
    get(worker, worker->place->wx, "shop", round);
}

void many_threads_on_an_empty_store_cost_one_token(void)
{
    static struct worker workers[THREADS];
    struct place place;

    open_place(&place);
    run_together(workers, &place, get_only);
    CHECK_EQUAL(sim_count(place.id, "requests"), 1);
    CHECK_EQUAL(sim_count(place.id, "minted"), 1);
    leave_place(&place);
}

/* Each thread calls another function, and one of them gets. */
static void call_something(struct worker *worker, int round)
{
    wxtoken *wx = worker->place->wx;
    wxtoken_error *err = &worker->err;
    size_t needed;

    if (round == 0 || worker->number < 2)
        get(worker, wx, round % 2 ? NULL : "shop", round);
    else if (worker->number == 2)
        note(worker, wxtoken_set(wx, "revalidate_ms", round % 2 ? "0" : "200", err));
    else if (worker->number == 3)
        note(worker, wxtoken_register(wx, "shop", "official", worker->place->id, worker->place->secret, err));
    else if (worker->number == 4)
        note(worker, wxtoken_put(wx, "shop", "current", "1", err));
    else if (worker->number == 5)
        note(worker, wxtoken_reject(wx, NULL, "another", err));
    else if (worker->number == 6)
        worker->failures += wxtoken_report(wx, NULL, 0, &needed, err) != WXTOKEN_E_ARGUMENT;
    else
        note(worker, wxtoken_set(wx, "timeout_ms", "60000", err));
}

void every_function_may_be_called_from_several_threads_at_once(void)
{
    static struct worker workers[THREADS];
    struct place place;

    open_place(&place);
    CHECK_OK(wxtoken_set(place.wx, "timeout_ms", "60000", e));
    run_together(workers, &place, call_something);
    CHECK_EQUAL(sim_count(place.id, "requests"), 1);
    leave_place(&place);
}

static void open_get_and_free(struct worker *worker, int round)
{
    wxtoken *wx = NULL;
    wxtoken_status status;

    if (round % 10 != 0)
        return;
    status = wxtoken_init(worker->place->store, &wx, &worker->err);
    note(worker, status);
    if (status != WXTOKEN_OK)
        return;
    note(worker, wxtoken_set(wx, "api_base_url", simulator("WXSIM_HTTP"), &worker->err));
    get(worker, wx, "shop", round);
    wxtoken_free(wx);
}

void threads_with_separate_handles_share_one_token(void)
{
    static struct worker workers[THREADS];
    struct place place;

    open_place(&place);
    run_together(workers, &place, open_get_and_free);
    CHECK_EQUAL(sim_count(place.id, "requests"), 1);
    leave_place(&place);
}

/* The token is due after nine tenths of its second. The gets, not a sleep, fill that time. */
void freeing_waits_for_a_background_refresh(void)
{
    struct place place;
    wxtoken_token token;

    open_place(&place);
    CHECK_OK(wxtoken_set(place.wx, "background_refresh", "1", e));
    CHECK_OK(wxtoken_set(place.wx, "revalidate_ms", "0", e));
    sim_fault(&place, "\"kind\":\"expires_in\",\"value\":1");
    sim_fault(&place, "\"kind\":\"delay\",\"ms\":100");
    CHECK_OK(wxtoken_get(place.wx, "shop", &token, e));
    CHECK_EQUAL(count_threads(), 1); /* no thread is started without need */
    while (sim_count(place.id, "requests") < 2)
        CHECK_OK(wxtoken_get(place.wx, "shop", &token, e));
    wxtoken_free(place.wx);
    place.wx = open_store(place.store);
    CHECK_EQUAL(sim_count(place.id, "in_flight"), 0);
    CHECK_EQUAL(sim_count(place.id, "requests"), 2);
    CHECK_OK(wxtoken_get(place.wx, "shop", &token, e));
    CHECK_EQUAL(sim_count(place.id, "requests"), 2);
    leave_place(&place);
}

static void ignore_it(int signal)
{
    (void)signal;
}

struct pepper {
    pthread_t whom;
    pthread_mutex_t lock;
    int is_over;
};

static void *send_signals(void *argument)
{
    struct pepper *pepper = argument;
    int is_over = 0;
    while (!is_over) {
        pthread_kill(pepper->whom, SIGUSR1);
        sched_yield();
        pthread_mutex_lock(&pepper->lock);
        is_over = pepper->is_over;
        pthread_mutex_unlock(&pepper->lock);
    }
    return NULL;
}

/* Like a profiler's timer: each wait of the call is interrupted, and must be resumed. */
void signals_do_not_fail_a_call(void)
{
    struct place place;
    struct pepper pepper;
    struct sigaction action, before;
    pthread_t thread;

    open_place(&place);
    CHECK_OK(wxtoken_set(place.wx, "api_base_url", simulator("WXSIM_HTTPS"), e));
    CHECK_OK(wxtoken_set(place.wx, "ca_file", simulator("WXSIM_CA"), e));
    sim_fault(&place, "\"kind\":\"delay\",\"ms\":100");
    memset(&action, 0, sizeof action);
    action.sa_handler = ignore_it; /* without SA_RESTART */
    sigaction(SIGUSR1, &action, &before);
    pepper.whom = pthread_self();
    pepper.is_over = 0;
    pthread_mutex_init(&pepper.lock, NULL);
    if (pthread_create(&thread, NULL, send_signals, &pepper) != 0)
        exit(1);
    CHECK_OK(wxtoken_get(place.wx, "shop", fresh_token(), e));
    CHECK_OK(wxtoken_register(place.wx, "shop", "official_classic", place.id, place.secret, e));
    CHECK_OK(wxtoken_get(place.wx, "shop", fresh_token(), e));
    pthread_mutex_lock(&pepper.lock);
    pepper.is_over = 1;
    pthread_mutex_unlock(&pepper.lock);
    pthread_join(thread, NULL);
    sigaction(SIGUSR1, &before, NULL);
    CHECK_EQUAL(sim_count(place.id, "minted"), 2);
    leave_place(&place);
}
