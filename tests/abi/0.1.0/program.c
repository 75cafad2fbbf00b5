/* A program of 0.1.0: it uses every function, option and kind of that release.
 *
 *   program DIRECTORY      an empty directory for its store; $WXSIM_HTTP is the simulator
 *
 * run.py builds it with the header of 0.1.0 and runs it on the library of today. Guards lie before and after each output, and
 * a library whose structs have grown writes over them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wxtoken.h>

#define CHECK(condition) check((condition), #condition, __LINE__)
#define CHECK_OK(call) check_status((call), WXTOKEN_OK, #call, __LINE__)
#define CHECK_FAILS(status, call) check_status((call), (status), #call, __LINE__)

enum { GUARD = 0x5a, GUARDED = 4096 };

static struct {
    unsigned char before[GUARDED];
    wxtoken_error it;
    unsigned char after[GUARDED];
} error;

static struct {
    unsigned char before[GUARDED];
    wxtoken_token it;
    unsigned char after[GUARDED];
} token;

static int passed, failed;

static void check(int holds, const char *what, int line)
{
    passed += holds;
    failed += !holds;
    if (!holds)
        printf("not ok - line %d: %s\n", line, what);
}

static void check_status(wxtoken_status got, wxtoken_status expected, const char *call, int line)
{
    check(got == expected, call, line);
    if (got != expected)
        printf("#   is %s, not %s: %s\n", wxtoken_status_name(got), wxtoken_status_name(expected), error.it.message);
    if (got != WXTOKEN_OK) {
        check(error.it.status == got, "err->status is what the call returned", line);
        check(memchr(error.it.message, '\0', WXTOKEN_MESSAGE_SIZE) != NULL, "err->message ends", line);
        check(error.it.message[0] != '\0', "err->message says something", line);
    }
}

static int is_guard(const unsigned char *bytes)
{
    int i;
    for (i = 0; i < GUARDED; i++)
        if (bytes[i] != GUARD)
            return 0;
    return 1;
}

static void numbers_and_names(void)
{
    static const char *const names[] = {
        "WXTOKEN_OK",        "WXTOKEN_E_ARGUMENT", "WXTOKEN_E_ACCOUNT", "WXTOKEN_E_STORE",   "WXTOKEN_E_SECRET",
        "WXTOKEN_E_NETWORK", "WXTOKEN_E_REPLY",    "WXTOKEN_E_API",     "WXTOKEN_E_TIMEOUT", "WXTOKEN_E_INTERNAL",
    };
    int status;

    for (status = WXTOKEN_OK; status <= WXTOKEN_E_INTERNAL; status++)
        CHECK(strcmp(wxtoken_status_name(status), names[status]) == 0);
    CHECK(strcmp(wxtoken_status_name(-1), "unknown status") == 0);
    CHECK(strchr(wxtoken_version(), '.') != NULL);
    CHECK(sizeof error.it == 512 && sizeof token.it == 1040);
}

static void options(wxtoken *wx)
{
    static const char *const urls[] = {
        "api_base_url",         "work_base_url",  "qq_base_url",          "douyin_base_url",      "dingtalk_base_url",
        "feishu_base_url",      "qqbot_base_url", "douyin_open_base_url", "douyin_game_base_url", "lark_base_url",
        "xiaohongshu_base_url", "baidu_base_url", "qidian_base_url",
    };
    static const char *const others[][2] = {
        {"timeout_ms", "8000"},
        {"connect_timeout_ms", "3000"},
        {"refresh_ahead_s", "270"},
        {"background_refresh", "0"},
        {"revalidate_ms", "200"},
        {"proxy", ""},
        {"ip_version", "any"},
        {"allow_plain_http", "0"},
        {"ca_file", ""},
        {"key_file", ""},
        {"server_key", ""},
        {"server_key_file", ""},
        {"log", "off"},
    };
    size_t i;

    for (i = 0; i < sizeof others / sizeof *others; i++)
        CHECK_OK(wxtoken_set(wx, others[i][0], others[i][1], &error.it));
    for (i = 0; i < sizeof urls / sizeof *urls; i++)
        CHECK_OK(wxtoken_set(wx, urls[i], getenv("WXSIM_HTTP"), &error.it));
    CHECK_FAILS(WXTOKEN_E_ARGUMENT, wxtoken_set(wx, "no_such_option", "1", &error.it));
}

static void kinds(wxtoken *wx)
{
    static const char *const with_a_secret[] = {
        "official", "official_classic", "work",          "component",
        "suite",    "work_authorized",  "provider",      "qq",
        "qqbot",    "douyin",           "douyin_stable", "douyin_game",
        "dingtalk", "dingtalk_suite",   "feishu",        "feishu_store",
        "lark",     "xiaohongshu",      "baidu",         "qidian",
    };
    static const char *const puts[][3] = {
        {"component", "verify_ticket", "ticket"},
        {"suite", "suite_ticket", "ticket"},
        {"dingtalk_suite", "suite_ticket", "ticket"},
        {"feishu_store", "app_ticket", "ticket"},
        {"authorizer", "parent", "component"},
        {"authorizer", "refresh_token", "refresh"},
        {"work_authorized", "parent", "suite"},
        {"feishu_tenant", "parent", "feishu_store"},
        {"official", "current", "1"},
    };
    size_t i;

    for (i = 0; i < sizeof with_a_secret / sizeof *with_a_secret; i++)
        CHECK_OK(wxtoken_register(wx, with_a_secret[i], with_a_secret[i], "id", "secret", &error.it));
    CHECK_OK(wxtoken_register(wx, "authorizer", "authorizer", "id", NULL, &error.it));
    CHECK_OK(wxtoken_register(wx, "feishu_tenant", "feishu_tenant", "id", NULL, &error.it));
    for (i = 0; i < sizeof puts / sizeof *puts; i++)
        CHECK_OK(wxtoken_put(wx, puts[i][0], puts[i][1], puts[i][2], &error.it));
    CHECK_OK(wxtoken_get(wx, "authorizer/refresh_token", &token.it, &error.it));
    CHECK(strcmp(token.it.value, "refresh") == 0 && token.it.length == strlen("refresh"));
}

/* The accounts are those that the simulator has by default. */
static void tokens(wxtoken *wx)
{
    char longest[WXTOKEN_NAME_MAX + 1], first[WXTOKEN_TOKEN_SIZE];

    memset(longest, 'n', WXTOKEN_NAME_MAX);
    longest[WXTOKEN_NAME_MAX] = '\0';
    CHECK_OK(wxtoken_register(wx, longest, "official", "wxdemo0000000001", "demo-secret-0000000000000000000000001",
                              &error.it));
    CHECK_FAILS(WXTOKEN_E_TIMEOUT, wxtoken_known(wx, longest, &token.it, &error.it));
    CHECK_OK(wxtoken_get(wx, longest, &token.it, &error.it));
    CHECK(token.it.length > 0 && strlen(token.it.value) == token.it.length);
    CHECK(token.it.expires_at > (int64_t)time(NULL) && token.it.expires_at <= (int64_t)time(NULL) + 7200);
    strcpy(first, token.it.value);
    CHECK_OK(wxtoken_known(wx, longest, &token.it, &error.it));
    CHECK(strcmp(token.it.value, first) == 0);

    CHECK_OK(wxtoken_reject(wx, longest, first, &error.it));
    CHECK_OK(wxtoken_get(wx, longest, &token.it, &error.it));
    CHECK_OK(wxtoken_put(wx, longest, "current", NULL, &error.it));
    CHECK_OK(wxtoken_get(wx, NULL, &token.it, NULL));

    CHECK_OK(wxtoken_register(wx, "wrong", "work", "wwdemo0000000001", "no-such-secret", &error.it));
    CHECK_FAILS(WXTOKEN_E_API, wxtoken_get(wx, "wrong", &token.it, &error.it));
    CHECK(error.it.errcode == 40001 && error.it.retry_after_ms > 0);
    CHECK_FAILS(WXTOKEN_E_ACCOUNT, wxtoken_get(wx, "nobody", &token.it, &error.it));
    CHECK_OK(wxtoken_put(wx, "wrong", "retry", NULL, &error.it));
}

static void report(wxtoken *wx)
{
    size_t needed = 0;
    char *text;

    CHECK_FAILS(WXTOKEN_E_ARGUMENT, wxtoken_report(wx, NULL, 0, &needed, &error.it));
    CHECK(needed > 0);
    text = malloc(needed);
    if (text == NULL)
        abort();
    CHECK_OK(wxtoken_report(wx, text, needed, &needed, &error.it));
    CHECK(strlen(text) + 1 == needed && text[0] == '{');
    CHECK(strstr(text, "wxdemo0000000001") != NULL && strstr(text, token.it.value) == NULL);
    free(text);
}

int main(int argc, char **argv)
{
    char store[1024];
    wxtoken *wx = NULL;

    if (argc != 2 || getenv("WXSIM_HTTP") == NULL) {
        fprintf(stderr, "usage: program DIRECTORY, under `wechat-sim exec`\n");
        return 2;
    }
    memset(&error, GUARD, sizeof error);
    memset(&token, GUARD, sizeof token);
    snprintf(store, sizeof store, "%s/tokens.db", argv[1]);
    numbers_and_names();
    CHECK_FAILS(WXTOKEN_E_STORE, wxtoken_init("/nonexistent/tokens.db", &wx, &error.it));
    CHECK(wx == NULL);
    CHECK_OK(wxtoken_init(store, &wx, &error.it));
    if (wx != NULL) {
        options(wx);
        kinds(wx);
        tokens(wx);
        report(wx);
        wxtoken_free(wx);
    }
    wxtoken_free(NULL);
    CHECK(is_guard(error.before) && is_guard(error.after) && is_guard(token.before) && is_guard(token.after));
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
