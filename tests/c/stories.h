/* Every story of the program `api`, in order. */
#ifndef STORIES_H
#define STORIES_H

#include "support.h"

#define STORIES(X)                                                         \
    X(the_layouts_are_frozen)                                              \
    X(the_version_matches_the_header)                                      \
    X(an_unknown_status_has_a_name)                                        \
    X(null_is_refused_wherever_a_value_is_required)                        \
    X(null_is_accepted_where_the_header_says_so)                           \
    X(invalid_utf8_is_refused_everywhere)                                  \
    X(strings_that_are_too_long_are_refused_everywhere)                    \
    X(strings_of_the_greatest_length_are_examined)                         \
    X(names_ids_secrets_and_tokens_are_accepted_up_to_their_limits)        \
    X(each_option_accepts_its_least_and_greatest_value_and_nothing_beyond) \
    X(a_refused_value_leaves_the_previous_one)                             \
    X(options_are_read_from_the_environment_when_a_handle_is_created)      \
    X(strings_are_copied_before_a_call_returns)                            \
    X(a_token_is_written_up_to_its_nul_and_no_further)                     \
    X(a_token_is_known_without_a_request_from_a_get_until_a_change)        \
    X(the_longest_token_fits_and_a_longer_one_is_an_invalid_reply)         \
    X(a_failed_get_writes_no_token_and_reveals_no_secret)                  \
    X(a_secret_that_a_gateway_echoes_is_removed)                           \
    X(a_failed_init_writes_no_handle)                                      \
    X(a_report_is_written_whole_or_not_at_all)                             \
    X(a_long_message_is_cut_at_a_character)                                \
    X(a_handle_still_works_after_failed_calls)                             \
    X(a_failed_fetch_after_a_reject_is_shared_by_all_callers)              \
    X(a_wrong_option_of_one_handle_fails_no_other)                         \
    X(the_log_contains_no_secret_and_no_token)                             \
    X(tls_works_and_is_verified)                                           \
    X(opening_and_freeing_many_times_leaves_nothing_open)                  \
    X(many_threads_on_an_empty_store_cost_one_token)                       \
    X(every_function_may_be_called_from_several_threads_at_once)           \
    X(threads_with_separate_handles_share_one_token)                       \
    X(freeing_waits_for_a_background_refresh)                              \
    X(signals_do_not_fail_a_call)

#define DECLARE(story) void story(void);
STORIES(DECLARE)

#endif
