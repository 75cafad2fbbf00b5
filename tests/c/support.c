/* Checks, places and children, as declared in support.h. */
#define _XOPEN_SOURCE 700
#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support.h"

enum { CHILD_S = 60 };

static int passed, failed, failures_in_story;

int is_wanted(const char *story, int argc, char **argv)
{
    int i;
    for (i = 1; i < argc; i++)
        if (strcmp(argv[i], story) == 0)
            return 1;
    return argc <= 1;
}

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
               got == WXTOKEN_OK || err == NULL ? "" : ": ", got == WXTOKEN_OK || err == NULL ? "" : err->message);
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

void fatal(const char *what, const char *why)
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
    const char *redis = getenv("WXTOKEN_CASES_REDIS");
    int fits;

    memset(place, 0, sizeof *place);
    fits = snprintf(place->directory, sizeof place->directory, "%s/wxtoken-c-XXXXXX",
                    temporary != NULL && temporary[0] != '\0' ? temporary : "/tmp");
    if (fits >= (int)sizeof place->directory || mkdtemp(place->directory) == NULL)
        fatal(place->directory, "cannot make a directory there: set TMPDIR to a short path that is writable");
    if (redis == NULL)
        snprintf(place->store, sizeof place->store, "%s/tokens.db", place->directory);
    else
        snprintf(place->store, sizeof place->store, "redis+unix://%s?prefix=%s", redis,
                 strrchr(place->directory, '/') + 1);
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
    open_place_as(place, "official");
}

void open_place_as(struct place *place, const char *kind)
{
    wxtoken_error err;

    bare_place(place);
    sim_post("/accounts", "{\"kind\":\"%s\",\"id\":\"%s\",\"secret\":\"%s\"}",
             strcmp(kind, "work") == 0 ? "work" : "official", place->id, place->secret);
    place->wx = open_store(place->store);
    if (wxtoken_register(place->wx, "shop", kind, place->id, place->secret, &err) != WXTOKEN_OK)
        fatal(place->store, err.message);
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info, (void)kind;
    return walk->level == 0 ? 0 : remove(path);
}

void empty_place(const struct place *place)
{
    nftw(place->directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

void leave_place(struct place *place)
{
    wxtoken_free(place->wx);
    empty_place(place);
    remove(place->directory);
}

pid_t bear(int (*live)(const struct place *, const char *), const struct place *place, const char *expected)
{
    pid_t child;
    fflush(stdout);
    child = fork();
    if (child == 0) {
        alarm(CHILD_S);
        _exit(live(place, expected));
    }
    return child;
}

int end_of(pid_t child)
{
    int state = 0;
    if (child <= 0 || waitpid(child, &state, 0) != child)
        fatal("fork", "no child: raise the limit of processes");
    return state;
}

void wait_for(pid_t child)
{
    int state = end_of(child);
    CHECK(!WIFSIGNALED(state)); /* SIGALRM means a hang */
    CHECK_EQUAL(WIFEXITED(state) ? WEXITSTATUS(state) : -1, 0);
}

int complain_about(const char *what, const wxtoken_error *err)
{
    fprintf(stderr, "    child: %s: %s\n", what, err->message);
    return 1;
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

/* Removes the number after a name. */
static void drop_number(char *json, const char *name)
{
    char *at = strstr(json, name);
    size_t length;
    if (at == NULL)
        return;
    at += strlen(name);
    length = strspn(at, "0123456789.");
    memmove(at, at + length, strlen(at + length) + 1);
}

char *standing_report_of(wxtoken *wx)
{
    char *json = report_of(wx);
    drop_number(json, "\"now\":");
    drop_number(json, "\"round_trip_ms\":");
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

/* An emulator has threads of its own. */
static int threads_at_first;

__attribute__((constructor)) static void count_threads_at_first(void)
{
    threads_at_first = count_directory("/proc/self/task");
}

int count_threads(void)
{
    return count_directory("/proc/self/task") - threads_at_first + 1;
}
