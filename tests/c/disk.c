/* Row 17: an I/O error on sync, and on every other call to the disk, for the store and its journal.
 *
 * If a second fetch does no harm (official, work), the token is served from memory and written when the disk works
 * again. On the classic endpoint nothing is sent. */
#define _XOPEN_SOURCE 700
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "faults.h"

static const char *const KINDS[] = {"official", "work", "official_classic"};
enum { KINDS_COUNT = sizeof KINDS / sizeof *KINDS };

static int is_classic(const char *kind)
{
    return strcmp(kind, "official_classic") == 0;
}

static void check_report(const struct place *place, const char *part)
{
    char *report = report_of(place->wx);
    CHECK_TEXT(report, part);
    free(report);
}

/* The disk works again: the store takes the token from memory, and one token serves all callers. */
static void check_healed(const struct place *place, const char *expected)
{
    wxtoken_token token;

    memset(&token, 0, sizeof token);
    CHECK_ONCE(WXTOKEN_OK, wxtoken_get(place->wx, "shop", &token, e));
    if (expected != NULL)
        CHECK(strcmp(token.value, expected) == 0);
    check_report(place, "\"degraded\":null");
    wait_for(bear(get_afresh, place, token.value));
    CHECK(sim_takes(place->id, token.value));
    CHECK_EQUAL(sim_count(place->id, "minted"), 1);
    CHECK_EQUAL(sim_count(place->id, "requests"), 1);
    check_sound(place);
}

void when_the_disk_does_not_sync_stable_stays_in_memory_and_classic_stops(void)
{
    struct place place;
    wxtoken_token token;
    int i;

    for (i = 0; i < KINDS_COUNT; i++) {
        open_place_as(&place, KINDS[i]);
        CHECK_OK(wxtoken_set(place.wx, "revalidate_ms", "0", e)); /* each get looks at the store */
        begin_fault(SHIM_SYNC, place.directory, 0, EVER);
        if (is_classic(KINDS[i])) {
            CHECK_STATUS(WXTOKEN_E_STORE, wxtoken_get(place.wx, "shop", &token, e));
            CHECK_TEXT(last_message(), "was not fetched: cannot use store");
            CHECK_TEXT(last_message(), "I/O error");
            CHECK_EQUAL(sim_count(place.id, "requests"), 0);
            token.value[0] = '\0';
        } else {
            CHECK_OK(wxtoken_get(place.wx, "shop", &token, e));
            CHECK(sim_takes(place.id, token.value));
            check_report(&place, "\"degraded\":\"cannot use store ");
            CHECK_EQUAL(sim_count(place.id, "requests"), 1);
        }
        CHECK(end_fault() > 0);
        check_healed(&place, is_classic(KINDS[i]) ? NULL : token.value);
        leave_place(&place);
    }
}

/* One fetch with a fault in one call. Returns 0 if the fetch makes fewer calls. */
static int fetch_through(const char *kind, enum shim_call call, long passing, long failing)
{
    struct place place;
    wxtoken_token token;
    wxtoken_error err;
    wxtoken_status status;
    long struck;

    open_place_as(&place, kind);
    CHECK_OK(wxtoken_set(place.wx, "revalidate_ms", "0", e));
    begin_fault(call, place.directory, passing, failing);
    status = wxtoken_get(place.wx, "shop", &token, &err);
    struck = end_fault();
    if (status == WXTOKEN_OK) {
        CHECK_EQUAL(sim_count(place.id, "requests"), 1);
        CHECK(sim_takes(place.id, token.value));
    } else {
        int is_key = call == SHIM_READ && strstr(err.message, "cannot read key file") != NULL;
        check_status(status, is_key ? WXTOKEN_E_SECRET : WXTOKEN_E_STORE, &err, "wxtoken_get", __FILE__, __LINE__);
        CHECK_TEXT(err.message, is_key ? strerror(EIO) : "I/O error");
        CHECK(is_classic(kind) || call == SHIM_READ);
        CHECK(struck > 0);
        CHECK_EQUAL(sim_count(place.id, "requests"), 0); /* no token was lost */
    }
    check_healed(&place, status == WXTOKEN_OK ? token.value : NULL);
    leave_place(&place);
    return struck > 0;
}

/* Once with only that call failing, and once with all later calls failing too. */
void no_token_is_lost_or_wrong_whichever_call_to_the_disk_fails(void)
{
    static const enum shim_call CALLS[] = {SHIM_READ, SHIM_WRITE, SHIM_TRUNCATE, SHIM_SYNC};
    static const long FAILING[] = {1, EVER};
    long passing;
    int call, kind, failing;

    for (call = 0; call < 4; call++)
        for (kind = 0; kind < KINDS_COUNT; kind++)
            for (failing = 0; failing < 2; failing++) {
                passing = 0;
                while (fetch_through(KINDS[kind], CALLS[call], passing, FAILING[failing]))
                    passing++;
                /* The intent and the token are at least two writes to the store. */
                CHECK(passing >= 2);
            }
}

static int fail_to_open(const struct place *place, const char *expected)
{
    wxtoken *wx;
    wxtoken_error err;

    if (wxtoken_init(place->store, &wx, &err) != WXTOKEN_E_STORE || strstr(err.message, expected) == NULL)
        return complain_about("init", &err);
    return 0;
}

void an_unreadable_disk_withholds_no_known_token(void)
{
    struct place place;
    wxtoken_token token, known;

    open_place(&place);
    CHECK_OK(wxtoken_set(place.wx, "revalidate_ms", "0", e));
    CHECK_OK(wxtoken_get(place.wx, "shop", &token, e));
    begin_fault(SHIM_READ, place.store, 0, EVER);
    CHECK_OK(wxtoken_get(place.wx, "shop", &known, e));
    CHECK(strcmp(known.value, token.value) == 0);
    wait_for(bear(fail_to_open, &place, "I/O error"));
    CHECK(end_fault() > 0);
    check_healed(&place, token.value);
    leave_place(&place);
}

/* First writes fail, then reads. A token rejected in between is recorded in memory. */
void every_call_reports_the_error_of_the_disk(void)
{
    struct place place;
    wxtoken_token token;
    char *report;
    size_t needed;

    open_place(&place);
    CHECK_OK(wxtoken_register(place.wx, "second", "official", place.id, place.secret, e));
    CHECK_OK(wxtoken_get(place.wx, "shop", &token, e));
    begin_fault(SHIM_WRITE, place.directory, 0, EVER);
    CHECK_STATUS(WXTOKEN_E_STORE, wxtoken_register(place.wx, "third", "official", place.id, place.secret, e));
    CHECK_TEXT(last_message(), "I/O error");
    CHECK_STATUS(WXTOKEN_E_STORE, wxtoken_put(place.wx, "second", "current", NULL, e));
    CHECK_TEXT(last_message(), "I/O error");
    CHECK_OK(wxtoken_reject(place.wx, "shop", token.value, e));
    check_report(&place, "\"degraded\":\"cannot use store ");
    check_report(&place, "\"rejected\":true");
    CHECK(end_fault() > 0);

    begin_fault(SHIM_READ, place.directory, 0, EVER);
    CHECK_STATUS(WXTOKEN_E_STORE, wxtoken_register(place.wx, "third", "official", place.id, place.secret, e));
    CHECK_STATUS(WXTOKEN_E_STORE, wxtoken_put(place.wx, "second", "current", NULL, e));
    CHECK_STATUS(WXTOKEN_E_STORE, wxtoken_reject(place.wx, "shop", token.value, e));
    CHECK_STATUS(WXTOKEN_E_STORE, wxtoken_report(place.wx, NULL, 0, &needed, e));
    CHECK_STATUS(WXTOKEN_E_STORE, wxtoken_get(place.wx, "shop", &token, e)); /* a rejected token is not served */
    CHECK_TEXT(last_message(), "I/O error");
    CHECK(end_fault() > 0);

    CHECK_OK(wxtoken_register(place.wx, "third", "official", place.id, place.secret, e));
    CHECK_OK(wxtoken_put(place.wx, "second", "current", NULL, e));
    CHECK_OK(wxtoken_get(place.wx, "shop", &token, e)); /* checks the token, and serves it again */
    CHECK_EQUAL(sim_count(place.id, "business"), 1);
    report = report_of(place.wx);
    CHECK_TEXT(report, "\"degraded\":null");
    CHECK_TEXT(report, "\"rejected\":false");
    free(report);
    wait_for(bear(get_afresh, &place, token.value));
    CHECK_EQUAL(sim_count(place.id, "requests"), 1);
    check_sound(&place);
    leave_place(&place);
}

/* Creates a store and its first account. Returns 0 if that takes fewer calls. */
static int set_up_through(enum shim_call call, long passing)
{
    struct place place;
    wxtoken_error err;
    wxtoken_status status;
    long struck;

    bare_place(&place);
    sim_post("/accounts", "{\"kind\":\"official\",\"id\":\"%s\",\"secret\":\"%s\"}", place.id, place.secret);
    begin_fault(call, place.directory, passing, 1);
    status = wxtoken_init(place.store, &place.wx, &err);
    if (status == WXTOKEN_OK)
        status = wxtoken_register(place.wx, "shop", "official", place.id, place.secret, &err);
    struck = end_fault();
    if (status != WXTOKEN_OK) {
        check_status(status, WXTOKEN_E_STORE, &err, "the set-up", __FILE__, __LINE__);
        CHECK(struck > 0);
    }
    wxtoken_free(place.wx);
    place.wx = open_store(place.store);
    CHECK_ONCE(WXTOKEN_OK, wxtoken_register(place.wx, "shop", "official", place.id, place.secret, e));
    check_healed(&place, NULL);
    CHECK_EQUAL(count_directory(place.directory), 6); /* ".", "..", store, journal, key and lock */
    leave_place(&place);
    return struck > 0;
}

void a_store_is_created_at_the_next_try_whichever_call_to_the_disk_fails(void)
{
    static const enum shim_call CALLS[] = {SHIM_READ, SHIM_WRITE, SHIM_TRUNCATE, SHIM_SYNC};
    int call;
    long passing;

    for (call = 0; call < 4; call++) {
        passing = 0;
        while (set_up_through(CALLS[call], passing))
            passing++;
        CHECK(passing > 0);
    }
}

/* As in a chroot without /proc. */
static int get_without_boot_id(const struct place *place, const char *expected)
{
    int done;
    begin_fault(SHIM_READ, "/proc/sys/kernel/random/boot_id", 0, EVER);
    done = get_afresh(place, expected);
    return end_fault() > 0 ? done : 2; /* the boot id was never read */
}

/* A lease counts within one boot of the host. First the waiter cannot read the boot id, then the leader. */
void a_process_that_cannot_read_the_boot_id_still_waits_for_the_leader(void)
{
    struct place place;
    pid_t leader, waiter;
    int is_blind_leader;

    for (is_blind_leader = 0; is_blind_leader < 2; is_blind_leader++) {
        open_place_as(&place, "official_classic");
        sim_fault(&place, "\"kind\":\"delay\",\"ms\":500");
        leader = bear(is_blind_leader ? get_without_boot_id : get_afresh, &place, NULL);
        while (sim_count(place.id, "requests") == 0)
            continue;
        waiter = bear(is_blind_leader ? get_afresh : get_without_boot_id, &place, NULL);
        wait_for(leader);
        wait_for(waiter);
        CHECK_EQUAL(sim_count(place.id, "requests"), 1);
        leave_place(&place);
    }
}

static enum shim_call dying_call;
static long dying_after;

/* Changes several pages: rows of a table and its index. */
static int register_and_die(const struct place *place, const char *expected)
{
    wxtoken *wx = open_store(place->store);
    wxtoken_error err;

    (void)expected;
    begin_death(dying_call, place->directory, dying_after);
    if (wxtoken_register(wx, "second", "work", "ww-second", "a-second-secret", &err) != WXTOKEN_OK ||
        wxtoken_register(wx, "second", "work", "ww-changed", "another-secret", &err) != WXTOKEN_OK)
        return complain_about("account", &err);
    end_fault();
    return 0;
}

/* Row 4, systematically: the writer dies before each call to the disk in turn, which leaves the store and its
 * journal in every possible state. */
void the_store_is_sound_whichever_call_to_the_disk_a_writer_dies_at(void)
{
    static const enum shim_call CALLS[] = {SHIM_WRITE, SHIM_TRUNCATE, SHIM_SYNC};
    struct place place;
    wxtoken_token token;
    int call, has_died;

    for (call = 0; call < 3; call++) {
        dying_call = CALLS[call];
        dying_after = 0;
        do {
            open_place(&place);
            CHECK_OK(wxtoken_get(place.wx, "shop", &token, e));
            wxtoken_free(place.wx);
            place.wx = NULL;
            has_died = WIFSIGNALED(end_of(bear(register_and_die, &place, NULL)));
            check_sound(&place);
            wait_for(bear(get_afresh, &place, token.value));
            CHECK_EQUAL(sim_count(place.id, "requests"), 1);
            leave_place(&place);
            dying_after++;
        } while (has_died);
        CHECK(dying_after > 2);
    }
}

/* Row 25: a resolver that does not answer. The thread that asked it is left running. */
void an_unresponsive_name_server_is_a_network_failure_before_the_deadline(void)
{
    struct place place;
    wxtoken_token token;
    long long began;

    open_place(&place);
    CHECK_OK(wxtoken_set(place.wx, "api_base_url", "https://nobody.example", e));
    CHECK_OK(wxtoken_set(place.wx, "connect_timeout_ms", "200", e));
    CHECK_OK(wxtoken_set(place.wx, "timeout_ms", "60000", e));
    begin_silence(5);
    began = boot_ms();
    CHECK_STATUS(WXTOKEN_E_NETWORK, wxtoken_get(place.wx, "shop", &token, e));
    CHECK(boot_ms() - began < 4000);
    CHECK(end_fault() > 0);
    CHECK_TEXT(last_message(), "DNS did not answer within connect_timeout_ms (200 ms)");
    leave_place(&place);
}
