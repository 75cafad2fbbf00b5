/* A host that calls the library in its own fork handlers, registered before and after the library's.
 *
 * A separate program, because the library registers its handlers once per process, at its first call. */
#define _XOPEN_SOURCE 700
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "support.h"

enum { FORKS = 20, THREADS = 4, GUARD_S = 300 };

static struct place place;
static wxtoken_token first;
static int calls;
static int failures;
static int is_over;

static void use_the_library(void)
{
    wxtoken_token token;
    wxtoken_error err;
    calls++;
    if (place.wx == NULL)
        return;
    if (wxtoken_get(place.wx, "shop", &token, &err) != WXTOKEN_OK)
        failures += complain_about("get in a handler", &err);
    else if (strcmp(token.value, first.value) != 0)
        failures++;
    if (wxtoken_register(place.wx, "shop", "official", place.id, place.secret, &err) != WXTOKEN_OK)
        failures += complain_about("register in a handler", &err);
}

static int get_in_the_child(const struct place *there, const char *expected)
{
    wxtoken_token token;
    wxtoken_error err;
    if (failures != 0)
        return 2;
    if (wxtoken_get(there->wx, "shop", &token, &err) != WXTOKEN_OK)
        return complain_about("get", &err);
    return strcmp(token.value, expected) != 0 ? 3 : 0;
}

/* Keeps the thread inside a call nearly all the time: in SQLite, or waiting for the disk. */
static void *keep_registering(void *unused)
{
    int turn = 0;
    while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED))
        wxtoken_register(place.wx, "another", "official", turn++ % 2 ? "one" : "other", place.secret, NULL);
    return unused;
}

static void *keep_getting(void *unused)
{
    wxtoken_token token;
    while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED))
        wxtoken_get(place.wx, "shop", &token, NULL);
    return unused;
}

/* Other threads are inside SQLite. A child must not use their half-done state. */
static void handlers_of_the_host_may_call_the_library(void)
{
    pthread_t threads[THREADS];
    int i;
    if (pthread_atfork(use_the_library, use_the_library, use_the_library) != 0)
        fatal("pthread_atfork", "no memory");
    open_place(&place);
    if (pthread_atfork(use_the_library, use_the_library, use_the_library) != 0)
        fatal("pthread_atfork", "no memory");
    CHECK_OK(wxtoken_set(place.wx, "revalidate_ms", "0", e)); /* each get is inside SQLite */
    CHECK_OK(wxtoken_get(place.wx, "shop", &first, e));
    for (i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, i == 0 ? keep_registering : keep_getting, NULL) != 0)
            fatal("pthread_create", "raise the limit of threads");
    calls = 0;
    for (i = 0; i < FORKS; i++)
        wait_for(bear(get_in_the_child, &place, first.value));
    __atomic_store_n(&is_over, 1, __ATOMIC_RELAXED);
    for (i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQUAL(calls, FORKS * 4);
    CHECK_EQUAL(failures, 0);
    CHECK_EQUAL(sim_count(place.id, "requests"), 1);
    leave_place(&place);
    place.wx = NULL; /* removing the directory forks too */
}

int main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    alarm(GUARD_S);
    RUN(handlers_of_the_host_may_call_the_library);
    return finish();
}
