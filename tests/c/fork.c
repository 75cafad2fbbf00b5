/* Forks at any time, with threads inside the library. Both sides go on, and no token is fetched twice.
 *
 * A separate program, because its children must not be checked for leaks: they leave inherited memory as it is. */
#define _XOPEN_SOURCE 700
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

enum { THREADS = 4, FORKS = 20, GUARD_S = 300 };

struct crew {
    const struct place *place;
    pthread_t threads[THREADS];
    pthread_mutex_t lock;
    int is_over;
    int failures;
};

static void *keep_getting(void *argument)
{
    struct crew *crew = argument;
    int is_over = 0;
    while (!is_over) {
        wxtoken_token token;
        wxtoken_status status = wxtoken_get(crew->place->wx, "shop", &token, NULL);
        pthread_mutex_lock(&crew->lock);
        crew->failures += status != WXTOKEN_OK;
        is_over = crew->is_over;
        pthread_mutex_unlock(&crew->lock);
    }
    return NULL;
}

static void start(struct crew *crew, const struct place *place)
{
    int i;
    memset(crew, 0, sizeof *crew);
    crew->place = place;
    pthread_mutex_init(&crew->lock, NULL);
    for (i = 0; i < THREADS; i++)
        if (pthread_create(&crew->threads[i], NULL, keep_getting, crew) != 0) {
            puts("pthread_create failed: raise the limit of threads");
            exit(1);
        }
}

static void stop(struct crew *crew)
{
    int i;
    pthread_mutex_lock(&crew->lock);
    crew->is_over = 1;
    pthread_mutex_unlock(&crew->lock);
    for (i = 0; i < THREADS; i++)
        pthread_join(crew->threads[i], NULL);
    pthread_mutex_destroy(&crew->lock);
    CHECK_EQUAL(crew->failures, 0);
}

static int get_the_token(const struct place *place, const char *expected)
{
    wxtoken_token token;
    wxtoken_error err;
    if (wxtoken_get(place->wx, "shop", &token, &err) != WXTOKEN_OK)
        return complain_about("get", &err);
    return expected != NULL && strcmp(token.value, expected) != 0 ? 2 : 0;
}

static int get_and_free(const struct place *place, const char *expected)
{
    int outcome = get_the_token(place, expected);
    wxtoken_free(place->wx);
    return outcome;
}

static void children_of_a_threaded_process_get_the_token(void)
{
    struct place place;
    struct crew crew;
    wxtoken_token token;
    int i;

    open_place(&place);
    CHECK_OK(wxtoken_set(place.wx, "revalidate_ms", "0", e)); /* each get is inside SQLite */
    CHECK_OK(wxtoken_get(place.wx, "shop", &token, e));
    start(&crew, &place);
    for (i = 0; i < FORKS; i++)
        wait_for(bear(i % 2 ? get_the_token : get_and_free, &place, token.value));
    stop(&crew);
    CHECK_EQUAL(sim_count(place.id, "requests"), 1);
    CHECK(get_the_token(&place, token.value) == 0);
    leave_place(&place);
}

static int bear_a_child_and_get(const struct place *place, const char *expected)
{
    int state = 0;
    pid_t child = bear(get_and_free, place, expected);
    if (child <= 0 || waitpid(child, &state, 0) != child || state != 0)
        return 3;
    return get_and_free(place, expected);
}

static void grandchildren_get_the_token_too(void)
{
    struct place place;
    struct crew crew;
    wxtoken_token token;

    open_place(&place);
    CHECK_OK(wxtoken_get(place.wx, "shop", &token, e));
    start(&crew, &place);
    wait_for(bear(bear_a_child_and_get, &place, token.value));
    stop(&crew);
    CHECK_EQUAL(sim_count(place.id, "requests"), 1);
    leave_place(&place);
}

/* The child inherits the lock file and the leader's unfinished flight. It must not take either for its own. */
static void a_child_forked_during_a_fetch_waits_for_it(void)
{
    struct place place;
    struct crew crew;
    pid_t children[3];
    int i;

    open_place(&place);
    sim_fault(&place, "\"kind\":\"delay\",\"ms\":300");
    start(&crew, &place);
    while (sim_count(place.id, "requests") == 0)
        ;
    for (i = 0; i < 3; i++)
        children[i] = bear(get_and_free, &place, NULL);
    for (i = 0; i < 3; i++)
        wait_for(children[i]);
    stop(&crew);
    CHECK_EQUAL(sim_count(place.id, "requests"), 1);
    CHECK_EQUAL(sim_count(place.id, "minted"), 1);
    leave_place(&place);
}

/* The child inherits the parent's count of running refreshes, but not the thread that would decrement it. */
static void a_child_does_not_wait_for_a_refresh_of_its_parent(void)
{
    struct place place;

    open_place(&place);
    CHECK_OK(wxtoken_set(place.wx, "background_refresh", "1", e));
    CHECK_OK(wxtoken_set(place.wx, "revalidate_ms", "0", e));
    CHECK_OK(wxtoken_set(place.wx, "timeout_ms", "600000", e)); /* a wait this long counts as a hang */
    sim_fault(&place, "\"kind\":\"expires_in\",\"value\":1");
    sim_fault(&place, "\"kind\":\"delay\",\"ms\":300");
    while (sim_count(place.id, "requests") < 2)
        CHECK_OK(wxtoken_get(place.wx, "shop", fresh_token(), e));
    wait_for(bear(get_and_free, &place, NULL));
    CHECK_OK(wxtoken_get(place.wx, "shop", fresh_token(), e));
    CHECK_EQUAL(sim_count(place.id, "requests"), 2);
    leave_place(&place);
}

static int get_before_the_parent(const struct place *place, const char *expected)
{
    wxtoken_error err;
    if (wxtoken_set(place->wx, "ca_file", simulator("WXSIM_CA"), &err) != WXTOKEN_OK ||
        wxtoken_set(place->wx, "api_base_url", simulator("WXSIM_HTTPS"), &err) != WXTOKEN_OK)
        return complain_about("set", &err);
    return get_and_free(place, expected);
}

/* As with prefork: the parent opens, and the child is the first to fetch, over TLS. The parent reads the token from
 * the store. */
static void a_child_fetches_on_the_handle_of_its_parent(void)
{
    struct place place;

    open_place(&place);
    wait_for(bear(get_before_the_parent, &place, NULL));
    CHECK_OK(wxtoken_set(place.wx, "api_base_url", simulator("WXSIM_HTTPS"), e));
    CHECK_OK(wxtoken_get(place.wx, "shop", fresh_token(), e));
    CHECK_EQUAL(sim_count(place.id, "requests"), 1);
    leave_place(&place);
}

static int use_every_function(const struct place *place, const char *expected)
{
    wxtoken_error err;
    struct place own = *place;
    size_t needed = 0;

    if (wxtoken_register(place->wx, "again", "official_classic", place->id, place->secret, &err) != WXTOKEN_OK ||
        wxtoken_put(place->wx, "shop", "current", "1", &err) != WXTOKEN_OK ||
        wxtoken_reject(place->wx, NULL, "another", &err) != WXTOKEN_OK)
        return complain_about("account, put or reject", &err);
    if (wxtoken_report(place->wx, NULL, 0, &needed, &err) != WXTOKEN_E_ARGUMENT || needed == 0)
        return complain_about("report", &err);
    own.wx = open_store(place->store);
    if (get_and_free(&own, expected) != 0)
        return 4;
    return get_and_free(place, expected);
}

static void a_child_may_call_every_function(void)
{
    struct place place;
    struct crew crew;
    wxtoken_token token;
    int i;

    open_place(&place);
    CHECK_OK(wxtoken_set(place.wx, "revalidate_ms", "0", e));
    CHECK_OK(wxtoken_set(place.wx, "timeout_ms", "60000", e));
    CHECK_OK(wxtoken_get(place.wx, "shop", &token, e));
    start(&crew, &place);
    for (i = 0; i < FORKS; i++)
        wait_for(bear(use_every_function, &place, token.value));
    stop(&crew);
    leave_place(&place);
}

int main(void)
{
    alarm(GUARD_S);
    setvbuf(stdout, NULL, _IOLBF, 0);
    unsetenv("WXTOKEN_STORE");
    RUN(children_of_a_threaded_process_get_the_token);
    RUN(grandchildren_get_the_token_too);
    RUN(a_child_forked_during_a_fetch_waits_for_it);
    RUN(a_child_does_not_wait_for_a_refresh_of_its_parent);
    RUN(a_child_fetches_on_the_handle_of_its_parent);
    RUN(a_child_may_call_every_function);
    return finish();
}
