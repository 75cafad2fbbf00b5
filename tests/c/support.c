/* Checks, places and the simulator, as support.h tells. */
#define _XOPEN_SOURCE 700
#include <dirent.h>
#include <ftw.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support.h"

static int passed, failed, failures_in_story;

void run_story(void (*story)(void), const char *name)
{
    failures_in_story = 0;
    story();
    if (failures_in_story == 0) {
        passed++;
    } else {
        failed++;
        printf("FAILED %s\n", name);
    }
}

int finish(void)
{
    printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 && passed > 0 ? 0 : 1;
}

static void complain(const char *file, int line, const char *what)
{
    failures_in_story++;
    printf("%s:%d: %s\n", file, line, what);
    fflush(stdout);
}

void check_that(int holds, const char *what, const char *file, int line)
{
    if (!holds)
        complain(file, line, what);
}

void check_text(const char *text, const char *part, int wanted, const char *file, int line)
{
    if ((strstr(text, part) != NULL) != wanted) {
        complain(file, line, wanted ? "a text lacks something:" : "a text holds what it should not:");
        printf("    %s\n    in: %s\n", part, text);
    }
}

void check_equal(long long left, long long right, const char *what, const char *file, int line)
{
    if (left != right) {
        complain(file, line, what);
        printf("    is %lld, not %lld\n", left, right);
    }
}

void check_status(wxtoken_status got, wxtoken_status expected, const wxtoken_error *err, const char *call,
                  const char *file, int line)
{
    if (got != expected) {
        complain(file, line, call);
        printf("    is %s, not %s%s%s\n", wxtoken_status_name(got), wxtoken_status_name(expected),
               got == WXTOKEN_OK || err == NULL ? "" : ": ",
               got == WXTOKEN_OK || err == NULL ? "" : err->message);
    }
    if (err == NULL)
        return;
    if (got == WXTOKEN_OK) {
        check_that(is_pattern(err, sizeof *err), "err is untouched on success", file, line);
        return;
    }
    check_that(err->status == got, "err->status is what the call returned", file, line);
    check_that((err->errcode != 0) == (got == WXTOKEN_E_API), "err->errcode is set with E_API only", file, line);
    check_that(err->retry_after_ms >= 0, "err->retry_after_ms is not negative", file, line);
    check_that(memchr(err->message, '\0', sizeof err->message) != NULL, "err->message ends", file, line);
    check_that(err->message[0] != '\0', "err->message says something", file, line);
}

static wxtoken_error error;

wxtoken_error *fresh_error(void)
{
    memset(&error, PATTERN, sizeof error);
    return &error;
}

const char *last_message(void)
{
    return error.message;
}

wxtoken_token *fresh_token(void)
{
    static wxtoken_token token;
    memset(&token, PATTERN, sizeof token);
    return &token;
}

int is_pattern(const void *memory, size_t size)
{
    const unsigned char *byte = memory;
    while (size > 0 && *byte == PATTERN) {
        byte++;
        size--;
    }
    return size == 0;
}

static void fatal(const char *what, const char *why)
{
    printf("%s: %s\n", what, why);
    exit(1);
}

void new_id(char id[32])
{
    static int count;
    snprintf(id, 32, "wx%08x%08x", (unsigned)getpid(), (unsigned)++count);
}

void bare_place(struct place *place)
{
    const char *temporary = getenv("TMPDIR");
    int fits;

    memset(place, 0, sizeof *place);
    fits = snprintf(place->directory, sizeof place->directory, "%s/wxtoken-c-XXXXXX",
                    temporary != NULL && temporary[0] != '\0' ? temporary : "/tmp");
    if (fits >= (int)sizeof place->directory || mkdtemp(place->directory) == NULL)
        fatal(place->directory, "cannot make a directory there: set TMPDIR to a short path that is writable");
    snprintf(place->store, sizeof place->store, "%s/tokens.db", place->directory);
    new_id(place->id);
    snprintf(place->secret, sizeof place->secret, "secret-of-%s", place->id);
}

wxtoken *open_store(const char *store)
{
    wxtoken *wx = NULL;
    wxtoken_error err;

    if (wxtoken_init(store, &wx, &err) != WXTOKEN_OK ||
        wxtoken_set(wx, "api_base_url", simulator("WXSIM_HTTP"), &err) != WXTOKEN_OK ||
        wxtoken_set(wx, "work_base_url", simulator("WXSIM_HTTP"), &err) != WXTOKEN_OK)
        fatal(store, err.message);
    return wx;
}

void open_place(struct place *place)
{
    wxtoken_error err;

    bare_place(place);
    sim_post("/accounts", "{\"kind\":\"official\",\"id\":\"%s\",\"secret\":\"%s\"}", place->id, place->secret);
    place->wx = open_store(place->store);
    if (wxtoken_account(place->wx, "shop", "official", place->id, place->secret, &err) != WXTOKEN_OK)
        fatal(place->store, err.message);
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info, (void)kind, (void)walk;
    return remove(path);
}

void leave_place(struct place *place)
{
    wxtoken_free(place->wx);
    nftw(place->directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

const char *simulator(const char *variable)
{
    const char *value = getenv(variable);
    if (value == NULL)
        fatal(variable, "is not set: run this under `wechat-sim exec -- …`, as `make -C tests/c` does");
    return value;
}

/* One request to the simulator's control address; the answer must be a 200. */
static void ask(const char *method, const char *path, const char *body, char *reply, size_t cap)
{
    char host[64], port[8], head[512];
    struct addrinfo hints, *found;
    size_t got = 0;
    ssize_t n;
    int fd;

    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    if (sscanf(simulator("WXSIM_CONTROL"), "http://%63[^:]:%7[0-9]", host, port) != 2 ||
        getaddrinfo(host, port, &hints, &found) != 0)
        fatal("WXSIM_CONTROL", "is no http://host:port");
    snprintf(head, sizeof head, "%s %s HTTP/1.0\r\nHost: %s\r\nContent-Length: %zu\r\n\r\n", method, path, host,
             strlen(body));
    fd = socket(found->ai_family, found->ai_socktype, found->ai_protocol);
    if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) != 0 || write(fd, head, strlen(head)) < 0 ||
        write(fd, body, strlen(body)) < 0)
        fatal("WXSIM_CONTROL", "the simulator does not answer");
    while ((n = read(fd, reply + got, cap - 1 - got)) > 0)
        got += (size_t)n;
    reply[got] = '\0';
    close(fd);
    freeaddrinfo(found);
    if (strstr(reply, " 200 ") == NULL)
        fatal(path, reply);
}

void sim_post(const char *path, const char *format, ...)
{
    char body[2048], reply[4096];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(body, sizeof body, format, arguments);
    va_end(arguments);
    ask("POST", path, body, reply, sizeof reply);
}

void sim_fault(const struct place *place, const char *fields)
{
    sim_post("/faults", "{\"id\":\"%s\",%s}", place->id, fields);
}

long sim_count(const char *id, const char *field)
{
    char path[128], reply[4096], key[64];
    const char *found;

    snprintf(path, sizeof path, "/counters?id=%s", id);
    ask("GET", path, "", reply, sizeof reply);
    snprintf(key, sizeof key, "\"%s\":", field);
    found = strstr(reply, key);
    if (found == NULL)
        fatal(field, reply);
    return atol(found + strlen(key));
}

char *report_of(wxtoken *wx)
{
    wxtoken_error err;
    size_t needed = 0;
    char *json;

    wxtoken_report(wx, NULL, 0, &needed, NULL);
    json = malloc(needed + 1);
    if (json == NULL || wxtoken_report(wx, json, needed, &needed, &err) != WXTOKEN_OK)
        fatal("wxtoken_report", json == NULL ? "no memory" : err.message);
    return json;
}

char *standing_report_of(wxtoken *wx)
{
    char *json = report_of(wx);
    char *now = strstr(json, "\"now\":");
    if (now != NULL)
        for (now += strlen("\"now\":"); *now >= '0' && *now <= '9'; now++)
            *now = '0';
    return json;
}

int count_directory(const char *path)
{
    DIR *directory = opendir(path);
    int count = 0;
    if (directory == NULL)
        fatal(path, "cannot be listed");
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}
