/* The outputs of calls: tokens, errors, reports and logs. They have the form that the header states, and never
 * contain a secret. */
#define _XOPEN_SOURCE 700
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stories.h"

void the_layouts_are_frozen(void)
{
    CHECK_EQUAL(sizeof(wxtoken_error), 512);
    CHECK_EQUAL(sizeof(((wxtoken_error *)0)->message), WXTOKEN_MESSAGE_SIZE);
    CHECK_EQUAL(sizeof(((wxtoken_token *)0)->value), WXTOKEN_TOKEN_SIZE);
    CHECK_EQUAL(offsetof(wxtoken_error, status), 0);
    CHECK_EQUAL(offsetof(wxtoken_error, errcode), 4);
    CHECK_EQUAL(offsetof(wxtoken_error, retry_after_ms), 8);
    CHECK_EQUAL(offsetof(wxtoken_error, message), 16);
    CHECK_EQUAL(sizeof(wxtoken_token), 8 + sizeof(size_t) + 1024);
    CHECK_EQUAL(offsetof(wxtoken_token, expires_at), 0);
    CHECK_EQUAL(offsetof(wxtoken_token, length), 8);
    CHECK_EQUAL(offsetof(wxtoken_token, value), 8 + sizeof(size_t));
    CHECK_EQUAL(sizeof(wxtoken_status), 4);
}

void the_version_matches_the_header(void)
{
    CHECK(strcmp(wxtoken_version(), WXTOKEN_VERSION) == 0);
    CHECK(wxtoken_version() == wxtoken_version());
}

void a_token_is_written_up_to_its_nul_and_no_further(void)
{
    struct place place;
    wxtoken_token *token = fresh_token();

    open_place(&place);
    CHECK_OK(wxtoken_get(place.wx, "shop", token, e));
    CHECK_EQUAL((long long)token->length, (long long)strlen(token->value));
    CHECK(token->length > 100 && token->length < sizeof token->value);
    CHECK(is_pattern(token->value + token->length + 1, sizeof token->value - token->length - 1));
    /* Once from the process's memory, once from WeChat. */
    token = fresh_token();
    CHECK_OK(wxtoken_get(place.wx, NULL, token, e));
    CHECK(is_pattern(token->value + token->length + 1, sizeof token->value - token->length - 1));
    leave_place(&place);
}

void a_token_is_known_without_a_request_from_a_get_until_a_change(void)
{
    struct place place;
    wxtoken_token first, *token = fresh_token();

    open_place(&place);
    CHECK_OK(wxtoken_set(place.wx, "revalidate_ms", "60000", e));
    CHECK_STATUS(WXTOKEN_E_TIMEOUT, wxtoken_known(place.wx, "shop", token, e));
    CHECK_STATUS(WXTOKEN_E_TIMEOUT, wxtoken_known(place.wx, "nobody", token, e));
    CHECK(is_pattern(token, sizeof *token));
    CHECK_EQUAL(sim_count(place.id, "requests"), 0);
    CHECK_OK(wxtoken_get(place.wx, "shop", &first, e));
    CHECK_OK(wxtoken_known(place.wx, "shop", token, e));
    CHECK(strcmp(token->value, first.value) == 0 && token->expires_at == first.expires_at);
    CHECK(is_pattern(token->value + token->length + 1, sizeof token->value - token->length - 1));
    /* No caller has asked for it by another name yet. */
    CHECK_STATUS(WXTOKEN_E_TIMEOUT, wxtoken_known(place.wx, NULL, token, e));
    sim_post("/revoke", "{\"id\":\"%s\",\"which\":\"all\"}", place.id);
    CHECK_OK(wxtoken_reject(place.wx, "shop", first.value, e));
    CHECK_STATUS(WXTOKEN_E_TIMEOUT, wxtoken_known(place.wx, "shop", token, e));
    CHECK_OK(wxtoken_get(place.wx, "shop", token, e));
    CHECK(strcmp(token->value, first.value) != 0);
    leave_place(&place);
}

void the_longest_token_fits_and_a_longer_one_is_an_invalid_reply(void)
{
    struct place place;
    wxtoken_token *token = fresh_token();

    open_place(&place);
    sim_fault(&place, "\"kind\":\"token\",\"length\":1023");
    CHECK_OK(wxtoken_get(place.wx, "shop", token, e));
    CHECK_EQUAL((long long)token->length, 1023);
    CHECK_EQUAL((long long)strlen(token->value), 1023);
    leave_place(&place);

    open_place(&place);
    sim_fault(&place, "\"kind\":\"token\",\"length\":1024");
    token = fresh_token();
    CHECK_STATUS(WXTOKEN_E_REPLY, wxtoken_get(place.wx, "shop", token, e));
    CHECK(is_pattern(token, sizeof *token));
    leave_place(&place);
}

/* The next request meets `fault`, and the get that sends it fails with `status`. */
static void fail_by(const char *fault, wxtoken_status status, int errcode)
{
    struct place place;
    wxtoken_token *token = fresh_token();
    wxtoken_error err;

    open_place(&place);
    wxtoken_set(place.wx, "timeout_ms", "500", NULL);
    sim_fault(&place, fault);
    CHECK_STATUS(status, wxtoken_get(place.wx, "shop", token, e));
    CHECK(is_pattern(token, sizeof *token));
    CHECK_HIDES(last_message(), place.secret);
    CHECK_TEXT(last_message(), "shop");
    CHECK(wxtoken_get(place.wx, NULL, token, &err) == status);
    CHECK_EQUAL(err.errcode, errcode);
    CHECK(err.retry_after_ms > 0);
    CHECK(is_pattern(token, sizeof *token));
    CHECK_EQUAL(sim_count(place.id, "requests"), 1);
    leave_place(&place);
}

void a_secret_that_a_gateway_echoes_is_removed(void)
{
    struct place place;
    char fault[256], *json;

    open_place(&place);
    snprintf(fault, sizeof fault, "\"kind\":\"errcode\",\"errcode\":40125,\"errmsg\":\"bad %s: %s\"", place.secret,
             place.secret);
    sim_fault(&place, fault);
    CHECK_STATUS(WXTOKEN_E_API, wxtoken_get(place.wx, "shop", fresh_token(), e));
    CHECK_TEXT(last_message(), "errcode 40125, with a text that is left out");
    CHECK_HIDES(last_message(), place.secret);
    json = report_of(place.wx);
    CHECK_TEXT(json, "40125");
    CHECK_HIDES(json, place.secret);
    free(json);
    leave_place(&place);
}

void a_failed_get_writes_no_token_and_reveals_no_secret(void)
{
    struct place place;
    wxtoken_token *token;

    fail_by("\"kind\":\"reset_before\"", WXTOKEN_E_NETWORK, 0);
    fail_by("\"kind\":\"close_before\"", WXTOKEN_E_NETWORK, 0);
    fail_by("\"kind\":\"html\"", WXTOKEN_E_REPLY, 0);
    fail_by("\"kind\":\"empty\"", WXTOKEN_E_REPLY, 0);
    fail_by("\"kind\":\"status\",\"code\":502", WXTOKEN_E_REPLY, 0);
    fail_by("\"kind\":\"redirect\"", WXTOKEN_E_REPLY, 0);
    fail_by("\"kind\":\"endless_headers\"", WXTOKEN_E_REPLY, 0);
    fail_by("\"kind\":\"hang\"", WXTOKEN_E_TIMEOUT, 0);
    fail_by("\"kind\":\"errcode\",\"errcode\":40125", WXTOKEN_E_API, 40125);
    fail_by("\"kind\":\"errcode\",\"errcode\":-1", WXTOKEN_E_API, -1);

    open_place(&place);
    token = fresh_token();
    CHECK_STATUS(WXTOKEN_E_ACCOUNT, wxtoken_get(place.wx, "nobody", token, e));
    CHECK(is_pattern(token, sizeof *token));
    leave_place(&place);
}

void a_report_is_written_whole_or_not_at_all(void)
{
    struct place place;
    wxtoken_token token;
    wxtoken_error err;
    size_t needed = 0, exact;
    char *buffer;

    open_place(&place);
    CHECK_OK(wxtoken_get(place.wx, "shop", &token, e));
    CHECK_REFUSED(wxtoken_report(place.wx, NULL, 0, &needed, e));
    exact = needed;
    CHECK(exact > 100);
    buffer = malloc(exact + 64);
    if (buffer == NULL)
        exit(1);
    memset(buffer, PATTERN, exact + 64);

    needed = 0;
    CHECK(wxtoken_report(place.wx, buffer, 0, &needed, &err) == WXTOKEN_E_ARGUMENT);
    CHECK_EQUAL((long long)needed, (long long)exact);
    needed = 0;
    CHECK(wxtoken_report(place.wx, buffer, exact - 1, &needed, &err) == WXTOKEN_E_ARGUMENT);
    CHECK_EQUAL((long long)needed, (long long)exact);
    CHECK(is_pattern(buffer, exact + 64));

    needed = 0;
    CHECK(wxtoken_report(place.wx, buffer, exact, &needed, &err) == WXTOKEN_OK);
    CHECK_EQUAL((long long)needed, (long long)exact);
    CHECK_EQUAL((long long)strlen(buffer) + 1, (long long)exact);
    CHECK(is_pattern(buffer + exact, 64));
    CHECK_TEXT(buffer, place.id);
    CHECK_HIDES(buffer, place.secret);
    CHECK_HIDES(buffer, token.value);

    memset(buffer, PATTERN, exact + 64);
    /* A new report may be longer, because it contains the round trip to a server. */
    CHECK(wxtoken_report(place.wx, buffer, exact + 32, &needed, &err) == WXTOKEN_OK);
    CHECK(needed <= exact + 32 && is_pattern(buffer + needed, exact + 64 - needed));
    free(buffer);
    leave_place(&place);
}

void a_long_message_is_cut_at_a_character(void)
{
    char path[3 * 1000 + 32];
    wxtoken *wx = NOT_A_HANDLE;
    const char *message, *cut;
    size_t length, k;
    int shift;

    /* The message names the path, and is therefore far too long. Three offsets put the cut at each place within a
     * character. The hint stays whole. */
    for (shift = 0; shift < 3; shift++) {
        strcpy(path, "/missing/");
        for (k = 0; k < (size_t)shift; k++)
            strcat(path, "x");
        for (k = 0; k < 900; k++)
            strcat(path, "店");
        strcat(path, "/tokens.db");
        CHECK_STATUS(WXTOKEN_E_STORE, wxtoken_init(path, &wx, e));
        message = last_message();
        length = strlen(message);
        CHECK(length >= 493 && length <= 495);
        cut = strstr(message, "…; hint: Create the directory, or name another path.");
        CHECK(cut != NULL && cut - message >= 3 && memcmp(cut - 3, "店", 3) == 0);
    }
}

void a_failed_fetch_after_a_reject_is_shared_by_all_callers(void)
{
    struct place place;
    wxtoken_token refused, *token = fresh_token();

    open_place(&place);
    CHECK_OK(wxtoken_get(place.wx, "shop", &refused, e));
    sim_post("/revoke", "{\"id\":\"%s\",\"which\":\"all\"}", place.id);
    CHECK_OK(wxtoken_reject(place.wx, "shop", refused.value, e));
    sim_fault(&place, "\"kind\":\"reset_before\"");
    /* CHECK_STATUS calls it twice. The second call is within retry_after_ms. */
    CHECK_STATUS(WXTOKEN_E_NETWORK, wxtoken_get(place.wx, "shop", token, e));
    CHECK(is_pattern(token, sizeof *token));
    leave_place(&place);
}

void the_log_contains_no_secret_and_no_token(void)
{
    static char log[65536];
    struct place place;
    wxtoken_token first, second;
    char path[192];
    int terminal, file;
    ssize_t size;

    open_place(&place);
    snprintf(path, sizeof path, "%s/log", place.directory);
    file = open(path, O_RDWR | O_CREAT, 0600);
    terminal = dup(STDERR_FILENO);
    dup2(file, STDERR_FILENO);
    CHECK_OK(wxtoken_set(place.wx, "log", "debug", e));
    CHECK_OK(wxtoken_get(place.wx, "shop", &first, e));
    sim_post("/revoke", "{\"id\":\"%s\",\"which\":\"all\"}", place.id);
    CHECK_OK(wxtoken_reject(place.wx, "shop", first.value, e));
    sim_fault(&place, "\"kind\":\"reset_before\"");
    CHECK(wxtoken_get(place.wx, "shop", &second, NULL) == WXTOKEN_E_NETWORK);
    CHECK_OK(wxtoken_register(place.wx, "shop", "official_classic", place.id, place.secret, e));
    CHECK_OK(wxtoken_get(place.wx, "shop", &second, e));
    dup2(terminal, STDERR_FILENO);
    close(terminal);
    size = pread(file, log, sizeof log - 1, 0);
    close(file);
    CHECK(size > 0);
    CHECK_TEXT(log, "shop");
    CHECK_HIDES(log, place.secret);
    CHECK_HIDES(log, first.value);
    CHECK_HIDES(log, second.value);
    leave_place(&place);
}
