/* Every story of the program `api`, in the order in which it tells them. */
#ifndef STORIES_H
#define STORIES_H

#include "support.h"

#define STORIES(X)                                                      \
    X(the_layouts_are_frozen)                                           \
    X(the_version_is_that_of_the_header)                                \
    X(a_status_out_of_range_has_a_name_too)                             \
    X(null_is_refused_in_every_place_that_needs_a_value)                \
    X(null_is_taken_where_the_header_says_so)                           \
    X(what_is_not_utf8_is_refused_everywhere)                           \
    X(what_is_too_long_is_refused_everywhere)                           \
    X(the_longest_string_is_looked_at)                                  \
    X(names_ids_secrets_and_tokens_are_taken_up_to_their_limits)        \
    X(each_option_takes_its_least_and_its_most_and_nothing_beyond)      \
    X(a_refused_value_leaves_the_one_before)                            \
    X(options_come_from_the_environment_when_a_handle_is_made)          \
    X(strings_are_copied_before_a_call_returns)                         \
    X(a_token_is_written_up_to_its_nul_and_no_further)                  \
    X(a_token_is_known_after_a_get_and_until_a_change_without_a_request) \
    X(the_longest_token_fits_and_a_longer_one_is_no_token_reply)        \
    X(a_failed_get_writes_no_token_and_tells_no_secret)                 \
    X(a_secret_that_a_gateway_echoes_is_taken_out)                      \
    X(a_failed_init_writes_no_handle)                                   \
    X(a_report_is_written_whole_or_not_at_all)                          \
    X(a_long_message_is_cut_at_a_character)                             \
    X(a_handle_goes_on_after_failed_calls)                              \
    X(a_failed_fetch_after_a_reject_is_everybodys_answer)               \
    X(a_wrong_option_of_one_handle_is_no_failure_of_another)            \
    X(the_log_tells_no_secret_and_no_token)                             \
    X(tls_works_and_is_verified)                                        \
    X(opening_and_freeing_many_times_leaves_nothing_open)               \
    X(many_threads_on_an_empty_store_cost_one_token)                    \
    X(every_function_may_be_called_from_any_thread_at_once)             \
    X(threads_with_handles_of_their_own_share_one_token)                \
    X(freeing_waits_for_a_background_refresh)                           \
    X(signals_do_not_fail_a_call)

#define DECLARE(story) void story(void);
STORIES(DECLARE)

#endif
