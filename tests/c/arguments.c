/* Bad input: every parameter of every function is NULL, not UTF-8, too long, or out of range. The library refuses it
 * with a message and changes nothing. */
#define _XOPEN_SOURCE 700
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stories.h"

enum { LONGEST = 4096, MEBIBYTE = 1 << 20 };

static char *repeated(char character, size_t length)
{
    char *text = malloc(length + 1);
    if (text == NULL)
        exit(1);
    memset(text, character, length);
    text[length] = '\0';
    return text;
}

/* Passes `text` for each string in turn. Each call is refused, and no output is written. */
static void refuse_everywhere(const struct place *place, const char *text)
{
    wxtoken *const untouched = NOT_A_HANDLE;
    wxtoken *out = untouched;
    wxtoken_token token = *fresh_token();
    wxtoken *wx = place->wx;

    CHECK_REFUSED(wxtoken_init(text, &out, e));
    CHECK(out == untouched);
    CHECK_REFUSED(wxtoken_set(wx, text, "1", e));
    CHECK_REFUSED(wxtoken_set(wx, "timeout_ms", text, e));
    CHECK_REFUSED(wxtoken_set(wx, "ca_file", text, e));
    CHECK_REFUSED(wxtoken_register(wx, text, "official", place->id, place->secret, e));
    CHECK_REFUSED(wxtoken_register(wx, "shop", text, place->id, place->secret, e));
    CHECK_REFUSED(wxtoken_register(wx, "shop", "official", text, place->secret, e));
    CHECK_REFUSED(wxtoken_register(wx, "shop", "official", place->id, text, e));
    CHECK_REFUSED(wxtoken_put(wx, text, "current", NULL, e));
    CHECK_REFUSED(wxtoken_put(wx, "shop", text, NULL, e));
    CHECK_REFUSED(wxtoken_put(wx, "shop", "current", text, e));
    CHECK_REFUSED(wxtoken_get(wx, text, &token, e));
    CHECK(is_pattern(&token, sizeof token));
    CHECK_REFUSED(wxtoken_reject(wx, text, "token", e));
    CHECK_REFUSED(wxtoken_reject(wx, "shop", text, e));
}

/* Runs a story between two reports, which must be equal. */
static void unchanged_by(void (*tell)(const struct place *place))
{
    struct place place;
    wxtoken_token before, after;
    char *first, *second;

    open_place(&place);
    CHECK_OK(wxtoken_get(place.wx, "shop", &before, e));
    first = standing_report_of(place.wx);
    tell(&place);
    second = standing_report_of(place.wx);
    CHECK(strcmp(first, second) == 0);
    CHECK_OK(wxtoken_get(place.wx, "shop", &after, e));
    CHECK(strcmp(before.value, after.value) == 0);
    CHECK_EQUAL(sim_count(place.id, "requests"), 1);
    free(first);
    free(second);
    leave_place(&place);
}

static void pass_null(const struct place *place)
{
    wxtoken *wx = place->wx;
    wxtoken_token token = *fresh_token();
    const char *id = place->id, *secret = place->secret;
    size_t needed = 12345;
    char *json = report_of(wx);

    CHECK_REFUSED(wxtoken_init(place->store, NULL, e));
    CHECK_REFUSED(wxtoken_init(NULL, NULL, e));
    CHECK_REFUSED(wxtoken_set(NULL, "timeout_ms", "1", e));
    CHECK_REFUSED(wxtoken_set(wx, NULL, "1", e));
    CHECK_REFUSED(wxtoken_set(wx, "timeout_ms", NULL, e));
    CHECK_REFUSED(wxtoken_set(NULL, NULL, NULL, e));
    CHECK_REFUSED(wxtoken_register(NULL, "shop", "official", id, secret, e));
    CHECK_REFUSED(wxtoken_register(wx, NULL, "official", id, secret, e));
    CHECK_REFUSED(wxtoken_register(wx, "shop", NULL, id, secret, e));
    CHECK_REFUSED(wxtoken_register(wx, "shop", "official", NULL, secret, e));
    CHECK_REFUSED(wxtoken_register(wx, "shop", "official", id, NULL, e));
    CHECK_REFUSED(wxtoken_register(NULL, NULL, NULL, NULL, NULL, e));
    CHECK_REFUSED(wxtoken_put(NULL, "shop", "current", "1", e));
    CHECK_REFUSED(wxtoken_put(wx, NULL, "current", "1", e));
    CHECK_REFUSED(wxtoken_put(wx, "shop", NULL, "1", e));
    CHECK_REFUSED(wxtoken_put(NULL, NULL, NULL, NULL, e));
    CHECK_REFUSED(wxtoken_get(NULL, "shop", &token, e));
    CHECK_REFUSED(wxtoken_get(wx, "shop", NULL, e));
    CHECK_REFUSED(wxtoken_get(NULL, NULL, NULL, e));
    CHECK_REFUSED(wxtoken_known(NULL, "shop", &token, e));
    CHECK_REFUSED(wxtoken_known(wx, "shop", NULL, e));
    CHECK(is_pattern(&token, sizeof token));
    CHECK_REFUSED(wxtoken_reject(NULL, "shop", "token", e));
    CHECK_REFUSED(wxtoken_reject(wx, "shop", NULL, e));
    CHECK_REFUSED(wxtoken_reject(NULL, NULL, NULL, e));
    CHECK_REFUSED(wxtoken_report(NULL, json, strlen(json) + 1, &needed, e));
    CHECK_REFUSED(wxtoken_report(wx, NULL, 1, &needed, e));
    CHECK_REFUSED(wxtoken_report(NULL, NULL, 0, NULL, e));
    CHECK_EQUAL((long long)needed, 12345);
    CHECK_REFUSED(wxtoken_report(wx, NULL, 0, NULL, e));
    wxtoken_free(NULL);
    free(json);
}

void null_is_refused_wherever_a_value_is_required(void)
{
    unchanged_by(pass_null);
}

void null_is_accepted_where_the_header_says_so(void)
{
    struct place place;
    wxtoken_token token;
    wxtoken *wx = NULL;
    char *json;

    open_place(&place);
    setenv("WXTOKEN_STORE", place.store, 1);
    CHECK(wxtoken_init(NULL, &wx, NULL) == WXTOKEN_OK);
    unsetenv("WXTOKEN_STORE");
    json = report_of(wx);
    CHECK_TEXT(json, place.id);
    CHECK_OK(wxtoken_put(place.wx, "shop", "current", NULL, e));
    CHECK_OK(wxtoken_get(place.wx, NULL, &token, e));
    CHECK_OK(wxtoken_reject(place.wx, NULL, "another", e));
    free(json);
    wxtoken_free(wx);
    leave_place(&place);
}

static void pass_what_is_not_utf8(const struct place *place)
{
    /* A stray byte, an invalid sequence, a truncated one, an overlong slash, a surrogate, and a value beyond the
     * last character. */
    static const char *const broken[] = {
        "\xff", "a\xc3(", "\xf0\x9f\x92", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
    };
    size_t i;
    for (i = 0; i < sizeof broken / sizeof *broken; i++)
        refuse_everywhere(place, broken[i]);
}

void invalid_utf8_is_refused_everywhere(void)
{
    unchanged_by(pass_what_is_not_utf8);
}

static void pass_what_is_too_long(const struct place *place)
{
    static const size_t lengths[] = {LONGEST + 1, MEBIBYTE};
    size_t i;
    for (i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        char *text = repeated('a', lengths[i]);
        refuse_everywhere(place, text);
        free(text);
    }
}

void strings_that_are_too_long_are_refused_everywhere(void)
{
    unchanged_by(pass_what_is_too_long);
}

void strings_of_the_greatest_length_are_examined(void)
{
    struct place place;
    wxtoken *out = NULL;
    char *longest = repeated('a', LONGEST);

    open_place(&place);
    /* The longest path that the library accepts. The system accepts no path of this length. */
    CHECK_STATUS(WXTOKEN_E_STORE, wxtoken_init(longest, &out, e));
    CHECK(out == NULL);
    CHECK_OK(wxtoken_set(place.wx, "key_file", longest, e));
    CHECK_REFUSED(wxtoken_set(place.wx, longest, "1", e));
    CHECK_REFUSED(wxtoken_register(place.wx, "shop", "official", place.id, longest, e));
    CHECK_REFUSED(wxtoken_get(place.wx, longest, fresh_token(), e));
    free(longest);
    leave_place(&place);
}

void names_ids_secrets_and_tokens_are_accepted_up_to_their_limits(void)
{
    struct place place;
    char *name = repeated('n', WXTOKEN_NAME_MAX + 1), *id = repeated('i', 129);
    char *secret = repeated('s', 513), *token = repeated('t', WXTOKEN_TOKEN_SIZE);
    char wide[130] = "";

    open_place(&place);
    while (strlen(wide) + 3 <= 126)
        strcat(wide, "店");
    strcat(wide, "ab");
    CHECK_EQUAL((long long)strlen(wide), WXTOKEN_NAME_MAX);
    CHECK_OK(wxtoken_register(place.wx, wide, "official", place.id, place.secret, e));
    CHECK_OK(wxtoken_get(place.wx, wide, fresh_token(), e));
    strcat(wide, "c");
    CHECK_REFUSED(wxtoken_register(place.wx, wide, "official", place.id, place.secret, e));

    CHECK_REFUSED(wxtoken_register(place.wx, name, "official", place.id, place.secret, e));
    CHECK_REFUSED(wxtoken_register(place.wx, "long", "official", id, place.secret, e));
    CHECK_REFUSED(wxtoken_register(place.wx, "long", "official", place.id, secret, e));
    CHECK_REFUSED(wxtoken_get(place.wx, name, fresh_token(), e));
    CHECK_REFUSED(wxtoken_reject(place.wx, "shop", token, e));
    name[WXTOKEN_NAME_MAX] = id[128] = secret[512] = token[WXTOKEN_TOKEN_SIZE - 1] = '\0';
    CHECK_STATUS(WXTOKEN_E_ACCOUNT, wxtoken_get(place.wx, name, fresh_token(), e));
    CHECK_OK(wxtoken_register(place.wx, name, "official", id, secret, e));
    CHECK_OK(wxtoken_reject(place.wx, "shop", token, e));
    free(name), free(id), free(secret), free(token);
    leave_place(&place);
}

void an_unknown_status_has_a_name(void)
{
    static const int32_t strange[] = {-1, 10, 11, 1000, INT_MAX, INT_MIN};
    size_t i;
    CHECK(strcmp(wxtoken_status_name(WXTOKEN_OK), "WXTOKEN_OK") == 0);
    CHECK(strcmp(wxtoken_status_name(WXTOKEN_E_ARGUMENT), "WXTOKEN_E_ARGUMENT") == 0);
    CHECK(strcmp(wxtoken_status_name(WXTOKEN_E_ACCOUNT), "WXTOKEN_E_ACCOUNT") == 0);
    CHECK(strcmp(wxtoken_status_name(WXTOKEN_E_STORE), "WXTOKEN_E_STORE") == 0);
    CHECK(strcmp(wxtoken_status_name(WXTOKEN_E_SECRET), "WXTOKEN_E_SECRET") == 0);
    CHECK(strcmp(wxtoken_status_name(WXTOKEN_E_NETWORK), "WXTOKEN_E_NETWORK") == 0);
    CHECK(strcmp(wxtoken_status_name(WXTOKEN_E_REPLY), "WXTOKEN_E_REPLY") == 0);
    CHECK(strcmp(wxtoken_status_name(WXTOKEN_E_API), "WXTOKEN_E_API") == 0);
    CHECK(strcmp(wxtoken_status_name(WXTOKEN_E_TIMEOUT), "WXTOKEN_E_TIMEOUT") == 0);
    CHECK(strcmp(wxtoken_status_name(WXTOKEN_E_INTERNAL), "WXTOKEN_E_INTERNAL") == 0);
    for (i = 0; i < sizeof strange / sizeof *strange; i++)
        CHECK(strcmp(wxtoken_status_name(strange[i]), "unknown status") == 0);
}
