/* Options: their limits, the sources of their values, and the independence of handles. */
#define _XOPEN_SOURCE 700
#include <stdio.h>
#include <stdlib.h>

#include "stories.h"

void each_option_accepts_its_least_and_greatest_value_and_nothing_beyond(void)
{
    static const struct {
        const char *option;
        const char *good[5];
        const char *bad[10];
    } table[] = {
        {"api_base_url",
         {"", "https://example.com", "https://example.com:8443/prefix/", "http://127.0.0.1:1", "http://[::1]:65535"},
         {"http://example.com", "ftp://127.0.0.1", "example.com", "https://", "https://u:p@example.com",
          "https://example.com/?q=1", "https://example.com/#f", "http://127.0.0.1.example.com", "https://a b",
          "https://example.com:65536"}},
        {"work_base_url",
         {"", "https://example.com", "http://localhost:1"},
         {"http://10.0.0.1", "//example.com", "https://example.com:port", "https://u@example.com"}},
        {"timeout_ms", {"1", "600000", "8000"}, {"0", "600001", "-1", "", " 1", "1 ", "1.5", "1e3", "0x10", "ten"}},
        {"connect_timeout_ms", {"1", "600000"}, {"0", "600001", "-1", "", "9223372036854775808", "3s"}},
        {"refresh_ahead_s", {"0", "270", "3600"}, {"-1", "3601", "", "5m"}},
        {"background_refresh", {"0", "1"}, {"2", "-1", "", "true", "yes"}},
        {"revalidate_ms", {"0", "60000"}, {"-1", "60001", "", "soon"}},
        {"proxy",
         {"", "http://127.0.0.1:3128", "http://user:password@127.0.0.1:3128", "socks5://127.0.0.1:1080",
          "socks5h://u:p%40@[::1]:1080"},
         {"socks4://127.0.0.1:1080", "http://u:p#@127.0.0.1:3128", "http://u:p@p@127.0.0.1:3128", "127.0.0.1:3128",
          "http://", "ftp://127.0.0.1:1", "https://127.0.0.1:3128"}},
        {"ip_version", {"4", "6", "any"}, {"", "5", "v4", "any "}},
        {"allow_plain_http", {"1", "0"}, {"2", "-1", "", "yes"}},
        {"ca_file", {""}, {"/missing/ca.pem", "/dev/null", "/"}},
        {"key_file", {"", "/var/lib/wx/key"}, {NULL}},
        {"log", {"off", "error", "info", "debug", "off"}, {"", "Off", "warn", "0", "off "}},
    };
    struct place place;
    size_t i, k;

    open_place(&place);
    for (i = 0; i < sizeof table / sizeof *table; i++) {
        for (k = 0; k < 5 && table[i].good[k] != NULL; k++)
            CHECK_OK(wxtoken_set(place.wx, table[i].option, table[i].good[k], e));
        for (k = 0; k < 10 && table[i].bad[k] != NULL; k++) {
            wxtoken_error err;
            wxtoken_status status = wxtoken_set(place.wx, table[i].option, table[i].bad[k], &err);
            if (status != WXTOKEN_E_ARGUMENT)
                printf("    %s takes \"%s\"\n", table[i].option, table[i].bad[k]);
            CHECK(status == WXTOKEN_E_ARGUMENT);
            if (status == WXTOKEN_E_ARGUMENT)
                CHECK_TEXT(err.message, table[i].option);
        }
    }
    CHECK_REFUSED(wxtoken_set(place.wx, "", "1", e));
    CHECK_REFUSED(wxtoken_set(place.wx, "Timeout_ms", "1", e));
    leave_place(&place);
}

void a_refused_value_leaves_the_previous_one(void)
{
    struct place place;

    open_place(&place);
    CHECK_OK(wxtoken_set(place.wx, "timeout_ms", "300", e));
    CHECK_REFUSED(wxtoken_set(place.wx, "timeout_ms", "0", e));
    sim_fault(&place, "\"kind\":\"hang\"");
    CHECK_STATUS(WXTOKEN_E_TIMEOUT, wxtoken_get(place.wx, "shop", fresh_token(), e));
    CHECK_TEXT(last_message(), "timeout_ms (300 ms)");
    leave_place(&place);
}

void options_are_read_from_the_environment_when_a_handle_is_created(void)
{
    struct place place;
    wxtoken *const untouched = NOT_A_HANDLE;
    wxtoken *wx = untouched;

    bare_place(&place);
    setenv("WXTOKEN_TIMEOUT_MS", "soon", 1);
    CHECK_REFUSED(wxtoken_init(place.store, &wx, e));
    CHECK_TEXT(last_message(), "WXTOKEN_TIMEOUT_MS");
    setenv("WXTOKEN_TIMEOUT_MS", "\xff", 1);
    CHECK_REFUSED(wxtoken_init(place.store, &wx, e));
    unsetenv("WXTOKEN_TIMEOUT_MS");
    setenv("WXTOKEN_CA_FILE", "/missing/ca.pem", 1);
    CHECK_REFUSED(wxtoken_init(place.store, &wx, e));
    unsetenv("WXTOKEN_CA_FILE");
    CHECK(wx == untouched);
    setenv("WXTOKEN_TIMEOUT_MS", "300", 1);
    place.wx = open_store(place.store);
    unsetenv("WXTOKEN_TIMEOUT_MS");
    sim_post("/accounts", "{\"kind\":\"official\",\"id\":\"%s\",\"secret\":\"%s\"}", place.id, place.secret);
    CHECK_OK(wxtoken_register(place.wx, "shop", "official", place.id, place.secret, e));
    sim_fault(&place, "\"kind\":\"hang\"");
    CHECK_STATUS(WXTOKEN_E_TIMEOUT, wxtoken_get(place.wx, "shop", fresh_token(), e));
    CHECK_TEXT(last_message(), "timeout_ms (300 ms)");
    leave_place(&place);
}

static void copy_file(const char *from, const char *to)
{
    char bytes[16384];
    FILE *source = fopen(from, "rb"), *target = fopen(to, "wb");
    size_t size = source != NULL ? fread(bytes, 1, sizeof bytes, source) : 0;
    CHECK(target != NULL && size > 0 && size < sizeof bytes && fwrite(bytes, 1, size, target) == size);
    if (source != NULL)
        fclose(source);
    if (target != NULL)
        fclose(target);
}

void a_wrong_option_of_one_handle_fails_no_other(void)
{
    struct place place;
    char path[192];
    wxtoken *other;

    open_place(&place);
    CHECK_OK(wxtoken_set(place.wx, "api_base_url", simulator("WXSIM_HTTPS"), e));
    CHECK_OK(wxtoken_set(place.wx, "ca_file", simulator("WXSIM_CA"), e));
    snprintf(path, sizeof path, "%s/ca.pem", place.directory);
    copy_file(simulator("WXSIM_CA"), path);
    other = open_store(place.store);
    CHECK_OK(wxtoken_set(other, "api_base_url", simulator("WXSIM_HTTPS"), e));
    CHECK_OK(wxtoken_set(other, "ca_file", path, e));
    remove(path);
    CHECK_REFUSED(wxtoken_get(other, "shop", fresh_token(), e));
    CHECK_TEXT(last_message(), path);
    CHECK_OK(wxtoken_get(place.wx, "shop", fresh_token(), e));
    wxtoken_free(other);
    leave_place(&place);
}
