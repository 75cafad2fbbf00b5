/* Row 24: the wall clock steps by two hours or a day, in either direction, while processes use one store.
 *
 * A token's life is counted by the wall clock and by the boot clock, and the smaller remainder decides. The
 * simulator keeps the true time. It repeats a stable token that is still good; its classic endpoint mints one for
 * each fetch. */
#define _XOPEN_SOURCE 700
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "faults.h"

enum { PROCESSES = 4, HOUR = 3600, DAY = 86400 };

static const long long STEPS[] = {2 * HOUR, DAY};
enum { STEPS_COUNT = 2 };

/* Processes that call at the same time, and the last result of each. */
static struct crew {
    pthread_barrier_t meeting;
    int is_over;
    struct sight {
        long long began_ms; /* by the boot clock */
        wxtoken_status status;
        wxtoken_error err;
        wxtoken_token token;
    } seen[PROCESSES];
} * crew;
static pid_t children[PROCESSES];
static int number; /* the number of this process; the parent is 0 */

static void see(wxtoken *wx)
{
    struct sight *sight = &crew->seen[number];
    sight->began_ms = boot_ms();
    sight->status = wxtoken_get(wx, "shop", &sight->token, &sight->err);
}

static int live(const struct place *place, const char *expected)
{
    (void)expected;
    for (;;) {
        pthread_barrier_wait(&crew->meeting);
        if (crew->is_over)
            return 0;
        see(place->wx);
        pthread_barrier_wait(&crew->meeting);
    }
}

/* A place with a crew on it. If `revalidate_ms` is 0, each get looks at the store; if it is long, at the process's
 * cache. */
static void gather(struct place *place, const char *kind, const char *revalidate_ms)
{
    pthread_barrierattr_t shared;

    open_place_as(place, kind);
    CHECK_OK(wxtoken_set(place->wx, "revalidate_ms", revalidate_ms, e));
    crew = shared_memory(sizeof *crew);
    pthread_barrierattr_init(&shared);
    pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&crew->meeting, &shared, PROCESSES);
    pthread_barrierattr_destroy(&shared);
    for (number = 1; number < PROCESSES; number++)
        children[number] = bear(live, place, NULL);
    number = 0;
}

static void dismiss(struct place *place)
{
    int i;
    set_clock(0);
    crew->is_over = 1;
    pthread_barrier_wait(&crew->meeting);
    for (i = 1; i < PROCESSES; i++)
        wait_for(children[i]);
    munmap(crew, sizeof *crew);
    check_sound(place);
    leave_place(place);
}

static void everybody_gets(const struct place *place)
{
    pthread_barrier_wait(&crew->meeting);
    see(place->wx);
    pthread_barrier_wait(&crew->meeting);
}

/* All processes get the same token, and the platform accepts it. This many requests have been made by now. */
static void check_served(const struct place *place, long requests)
{
    int i;
    everybody_gets(place);
    for (i = 0; i < PROCESSES; i++) {
        check_status(crew->seen[i].status, WXTOKEN_OK, NULL, "wxtoken_get", __FILE__, __LINE__);
        CHECK(strcmp(crew->seen[i].token.value, crew->seen[0].token.value) == 0);
    }
    CHECK(sim_takes(place->id, crew->seen[0].token.value));
    CHECK_EQUAL(sim_count(place->id, "requests"), requests);
}

/* An errcode that all callers share for a minute. */
static const char REFUSAL[] = "\"kind\":\"errcode\",\"errcode\":40013,\"times\":0";

static void check_refused(const struct place *place, long requests)
{
    int i;
    everybody_gets(place);
    for (i = 0; i < PROCESSES; i++)
        check_status(crew->seen[i].status, WXTOKEN_E_API, &crew->seen[i].err, "wxtoken_get", __FILE__, __LINE__);
    CHECK_EQUAL(sim_count(place->id, "requests"), requests);
}

static long long now_in_report(wxtoken *wx)
{
    char *report = report_of(wx), *now = strstr(report, "\"now\":");
    long long seconds = now == NULL ? 0 : atoll(now + strlen("\"now\":"));
    free(report);
    return seconds;
}

/* Checks that the library sees the step. Otherwise no story could fail. */
static void step_to(const struct place *place, long long step_s)
{
    long long before = now_in_report(place->wx), moved = step_s - set_clock(step_s);
    long long after = now_in_report(place->wx);
    CHECK(after >= before + moved && after < before + moved + HOUR);
}

/* Every kind of account with every step, once with gets from the store and once from the cache. */
static void for_each_way(void (*step)(const struct place *, const char *, long long))
{
    static const char *const KINDS[] = {"official", "official_classic"};
    static const char *const REVALIDATE_MS[] = {"0", "60000"};
    struct place place;
    int kind, look, i;

    for (kind = 0; kind < 2; kind++)
        for (look = 0; look < 2; look++)
            for (i = 0; i < STEPS_COUNT; i++) {
                gather(&place, KINDS[kind], REVALIDATE_MS[look]);
                step(&place, KINDS[kind], STEPS[i]);
                dismiss(&place);
            }
}

static void check_minted(const struct place *place, const char *kind, long fetches)
{
    long minted = strcmp(kind, "official") == 0 ? 1 : fetches; /* a stable token is repeated */
    CHECK_EQUAL(sim_count(place->id, "minted"), minted);
}

/* The fetched token ends later than the boot clock says. It is therefore good by both clocks when the wall clock is
 * right again. */
static void step_forward_and_right(const struct place *place, const char *kind, long long step_s)
{
    check_served(place, 1);
    sim_fault(place, "\"kind\":\"delay\",\"ms\":30"); /* time for a stampede */
    step_to(place, step_s);
    check_served(place, 2);
    check_served(place, 2);
    step_to(place, 0);
    check_served(place, 2);
    check_minted(place, kind, 2);
}

void setting_the_clock_forward_costs_one_fetch_and_setting_it_right_none(void)
{
    for_each_way(step_forward_and_right);
}

static void step_back_and_right(const struct place *place, const char *kind, long long step_s)
{
    check_served(place, 1);
    step_to(place, -step_s);
    check_served(place, 1);
    step_to(place, 0);
    check_served(place, 1);
    check_minted(place, kind, 1);
}

void setting_the_clock_back_costs_no_fetch(void)
{
    for_each_way(step_back_and_right);
}

/* By the right clock the token has expired long ago. */
static void fetch_behind_and_step_right(const struct place *place, const char *kind, long long step_s)
{
    step_to(place, -step_s);
    check_served(place, 1);
    sim_fault(place, "\"kind\":\"delay\",\"ms\":30");
    step_to(place, 0);
    check_served(place, 2);
    check_served(place, 2);
    check_minted(place, kind, 2);
}

void a_token_fetched_by_a_slow_clock_costs_one_fetch_when_it_is_set_right(void)
{
    for_each_way(fetch_behind_and_step_right);
}

/* Gets go on until the token's two seconds have passed. The refresh that becomes due meanwhile fails, once for all
 * callers. */
void no_token_outlives_its_end_when_the_clock_is_set_back(void)
{
    struct place place;
    long long end_ms;
    int i, process, served, overdue;

    for (i = 0; i < 2 * STEPS_COUNT; i++) {
        gather(&place, "official", i < STEPS_COUNT ? "0" : "60000");
        sim_fault(&place, "\"kind\":\"expires_in\",\"value\":2");
        sim_fault(&place, REFUSAL);
        CHECK_ONCE(WXTOKEN_OK, wxtoken_get(place.wx, "shop", fresh_token(), e));
        end_ms = boot_ms() + 2000;
        everybody_gets(&place);
        step_to(&place, -STEPS[i % STEPS_COUNT]);
        do {
            everybody_gets(&place);
            served = overdue = 0;
            for (process = 0; process < PROCESSES; process++)
                if (crew->seen[process].status == WXTOKEN_OK) {
                    served++;
                    overdue += crew->seen[process].began_ms >= end_ms;
                }
        } while (served > 0 && overdue == 0);
        CHECK_EQUAL(overdue, 0);
        check_refused(&place, 2);
        sim_post("/faults/clear", "");
        step_to(&place, 0);
        check_served(&place, 3);
        dismiss(&place);
    }
}

/* The failure is shared, and dropped when the clock is right, because by that clock it lies in the future. */
static void step_forward_and_be_refused(const struct place *place, const char *kind, long long step_s)
{
    check_served(place, 1);
    sim_fault(place, REFUSAL);
    step_to(place, step_s);
    check_refused(place, 2);
    check_refused(place, 2);
    step_to(place, 0);
    check_served(place, 2);
    sim_post("/faults/clear", "");
    check_minted(place, kind, 1);
}

void a_token_ended_by_a_fast_clock_is_served_again_when_it_is_set_right(void)
{
    for_each_way(step_forward_and_be_refused);
}

/* No token can be served, so the failure decides. Its minute has not passed by any clock. */
static void be_refused_ahead_and_step_right(const struct place *place, const char *kind, long long step_s)
{
    sim_fault(place, REFUSAL);
    step_to(place, step_s);
    check_refused(place, 1);
    sim_post("/faults/clear", "");
    step_to(place, 0);
    check_served(place, 2);
    check_minted(place, kind, 1);
}

void a_failure_recorded_by_a_fast_clock_delays_no_caller_when_it_is_set_right(void)
{
    for_each_way(be_refused_ahead_and_step_right);
}

/* The step comes between request and answer. A token that has expired on arrival is not served, and the same call
 * fetches once more. */
void a_clock_step_during_a_fetch_costs_at_most_one_more_fetch(void)
{
    static const char *const KINDS[] = {"official", "official_classic"};
    struct place place;
    wxtoken_status status;
    int kind, i, sign;

    for (kind = 0; kind < 2; kind++)
        for (i = 0; i < STEPS_COUNT; i++)
            for (sign = -1; sign <= 1; sign += 2) {
                gather(&place, KINDS[kind], "0");
                set_clock_at_answer(sign * STEPS[i]);
                status = wxtoken_get(place.wx, "shop", fresh_token(), fresh_error());
                end_fault();
                CHECK(status == WXTOKEN_OK);
                check_served(&place, sign > 0 ? 2 : 1);
                step_to(&place, 0);
                check_served(&place, sign > 0 ? 2 : 1);
                dismiss(&place);
            }
}
