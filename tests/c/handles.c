/* The life of a handle: created, used over TLS, used after failures, freed, and created again many times. */
#define _XOPEN_SOURCE 700
#include <stdio.h>
#include <string.h>

#include "stories.h"

void strings_are_copied_before_a_call_returns(void)
{
    struct place place;
    char store[96], option[32] = "api_base_url", value[64], name[16] = "later", kind[16] = "official";

    open_place(&place);
    wxtoken_free(place.wx);
    place.wx = NULL;
    strcpy(store, place.store);
    CHECK(wxtoken_init(store, &place.wx, NULL) == WXTOKEN_OK);
    snprintf(value, sizeof value, "%s", simulator("WXSIM_HTTP"));
    CHECK_OK(wxtoken_set(place.wx, option, value, e));
    CHECK_OK(wxtoken_register(place.wx, name, kind, place.id, place.secret, e));
    memset(store, 'x', sizeof store), memset(option, 'x', sizeof option), memset(value, 'x', sizeof value);
    memset(name, 'x', sizeof name), memset(kind, 'x', sizeof kind);
    CHECK_OK(wxtoken_get(place.wx, "later", fresh_token(), e));
    leave_place(&place);
}

void a_failed_init_writes_no_handle(void)
{
    struct place place;
    wxtoken *const untouched = NOT_A_HANDLE;
    wxtoken *wx = untouched;
    char path[192];

    bare_place(&place);
    snprintf(path, sizeof path, "%s/missing/tokens.db", place.directory);
    CHECK_STATUS(WXTOKEN_E_STORE, wxtoken_init(path, &wx, e));
    CHECK_STATUS(WXTOKEN_E_STORE, wxtoken_init(place.directory, &wx, e));
    CHECK_REFUSED(wxtoken_init("", &wx, e));
    CHECK_REFUSED(wxtoken_init("mysql://127.0.0.1", &wx, e));
    CHECK(wx == untouched);
    leave_place(&place);
}

void a_handle_still_works_after_failed_calls(void)
{
    struct place place;
    wxtoken_token token;

    open_place(&place);
    CHECK_OK(wxtoken_register(place.wx, "shop", "official", place.id, "wrong", e));
    CHECK_STATUS(WXTOKEN_E_API, wxtoken_get(place.wx, "shop", &token, e));
    CHECK_STATUS(WXTOKEN_E_ACCOUNT, wxtoken_put(place.wx, "nobody", "current", NULL, e));
    CHECK_STATUS(WXTOKEN_E_ACCOUNT, wxtoken_reject(place.wx, "nobody", "token", e));
    CHECK_REFUSED(wxtoken_set(place.wx, "timeout_ms", "0", e));
    CHECK_OK(wxtoken_register(place.wx, "shop", "official", place.id, place.secret, e));
    CHECK_OK(wxtoken_get(place.wx, "shop", &token, e));
    CHECK_EQUAL(sim_count(place.id, "minted"), 1);
    leave_place(&place);
}

void tls_works_and_is_verified(void)
{
    struct place place;

    open_place(&place);
    CHECK_OK(wxtoken_set(place.wx, "api_base_url", simulator("WXSIM_HTTPS"), e));
    CHECK_STATUS(WXTOKEN_E_NETWORK, wxtoken_get(place.wx, "shop", fresh_token(), e));
    CHECK_TEXT(last_message(), "ca_file");
    CHECK_EQUAL(sim_count(place.id, "requests"), 0);
    leave_place(&place);

    open_place(&place);
    CHECK_OK(wxtoken_set(place.wx, "api_base_url", simulator("WXSIM_HTTPS"), e));
    CHECK_OK(wxtoken_set(place.wx, "ca_file", simulator("WXSIM_CA"), e));
    CHECK_OK(wxtoken_get(place.wx, "shop", fresh_token(), e));
    CHECK_EQUAL(sim_count(place.id, "minted"), 1);
    leave_place(&place);
}

void opening_and_freeing_many_times_leaves_nothing_open(void)
{
    enum { TIMES = 500, STORES = 40 };
    struct place place, others[STORES];
    int before, i;

    open_place(&place);
    CHECK_OK(wxtoken_get(place.wx, "shop", fresh_token(), e));
    before = count_directory("/proc/self/fd");
    for (i = 0; i < TIMES; i++) {
        wxtoken *wx = open_store(place.store);
        CHECK(wxtoken_get(wx, "shop", fresh_token(), NULL) == WXTOKEN_OK);
        wxtoken_free(wx);
    }
    CHECK_EQUAL(count_directory("/proc/self/fd"), before);
    CHECK_EQUAL(sim_count(place.id, "requests"), 1);
    CHECK_EQUAL(count_threads(), 1);
    leave_place(&place);

    /* A process keeps only the latest few stores open. */
    for (i = 0; i < STORES; i++) {
        open_place(&others[i]);
        CHECK_OK(wxtoken_get(others[i].wx, "shop", fresh_token(), e));
    }
    CHECK(count_directory("/proc/self/fd") < before + 2 * STORES);
    for (i = 0; i < STORES; i++) {
        CHECK_OK(wxtoken_get(others[i].wx, NULL, fresh_token(), e));
        leave_place(&others[i]);
    }
}
