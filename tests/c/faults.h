/* Helpers for the stories of the program `faults`, in addition to support.h: the faults of a host, which all its
 * processes share, and checks of the store from outside. Row numbers are those of docs/faults.md. */
#ifndef FAULTS_H
#define FAULTS_H

#include <limits.h>

#include "shim.h"
#include "support.h"

#define EVER LONG_MAX

/* A call that has the status `expected` at its first and only try. */
#define CHECK_ONCE(expected, call)                                      \
    do {                                                                \
        wxtoken_error *e = fresh_error();                               \
        check_status((call), (expected), e, #call, __FILE__, __LINE__); \
    } while (0)

/* Makes these calls fail from now on, in this process and its future children. They fail on files whose path begins
 * with `where` (NULL: any). The first `passing` calls succeed, and the next `failing` ones fail. */
void begin_fault(enum shim_call call, const char *where, long passing, long failing);
void begin_death(enum shim_call call, const char *where, long passing); /* SIGKILL at such a call; for a child */
void begin_silence(long seconds); /* DNS does not answer this process for this long */
long end_fault(void); /* the number of failed calls, including the children's; they must have ended */

/* Sets the wall clock of all processes to this many seconds ahead of the true one. Returns the previous value. */
long long set_clock(long long step_s);
void set_clock_at_answer(long long step_s); /* steps when this process next receives data; until end_fault */
long long boot_ms(void); /* by the clock that never steps */

void *shared_memory(size_t size); /* zeroed; shared with the children forked from now on */

void check_sound(const struct place *place); /* sqlite3 finds the store sound, and none was ever set aside */
int get_afresh(const struct place *place, const char *expected); /* with a new handle; for bear */

/* The first story must fork from a process that has not used the library. */
#define STORIES(X)                                                              \
    X(without_memory_a_call_fails_or_the_process_ends)                          \
    X(when_the_disk_does_not_sync_stable_stays_in_memory_and_classic_stops)     \
    X(no_token_is_lost_or_wrong_whichever_call_to_the_disk_fails)               \
    X(an_unreadable_disk_withholds_no_known_token)                              \
    X(a_store_is_created_at_the_next_try_whichever_call_to_the_disk_fails)      \
    X(every_call_reports_the_error_of_the_disk)                                 \
    X(a_process_that_cannot_read_the_boot_id_still_waits_for_the_leader)        \
    X(the_store_is_sound_whichever_call_to_the_disk_a_writer_dies_at)           \
    X(an_unresponsive_name_server_is_a_network_failure_before_the_deadline)     \
    X(setting_the_clock_forward_costs_one_fetch_and_setting_it_right_none)      \
    X(setting_the_clock_back_costs_no_fetch)                                    \
    X(a_token_fetched_by_a_slow_clock_costs_one_fetch_when_it_is_set_right)     \
    X(no_token_outlives_its_end_when_the_clock_is_set_back)                     \
    X(a_token_ended_by_a_fast_clock_is_served_again_when_it_is_set_right)       \
    X(a_failure_recorded_by_a_fast_clock_delays_no_caller_when_it_is_set_right) \
    X(a_clock_step_during_a_fetch_costs_at_most_one_more_fetch)

#define DECLARE(story) void story(void);
STORIES(DECLARE)

#endif
