/* Measures the stack that each call uses, against the limit in the header. A coroutine or a pool thread may have no
 * more. A separate program, because a sanitizer or valgrind would change the result. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support.h"

enum { KIB = 1024, STACK = 96 * KIB, OF_A_HIT = 8 * KIB, OF_A_FETCH = 48 * KIB, OF_TLS = 72 * KIB };
enum { ROOMY = 512 * KIB, GUARD = 64 * KIB, DEPTH = 120 };

/* A thread's work. Its results are in memory of the main thread. */
struct work {
    struct place *place;
    int (*call)(struct place *place, wxtoken_error *err);
    wxtoken_error err;
    int failed;
    const unsigned char *stack;
    size_t size, untouched;
};

/* The thread measures its own stack. When it ends, an older glibc returns the stack to the system. */
static void *do_work(void *argument)
{
    struct work *work = argument;
    work->failed = work->call(work->place, &work->err);
    while (work->untouched < work->size && work->stack[work->untouched] == PATTERN)
        work->untouched++;
    return NULL;
}

/* Makes a call on a stack of this size, with a guard page below it. A call that needs more ends the run. Returns the
 * bytes used. */
static size_t on_a_stack_of(size_t size, struct work *work)
{
    pthread_attr_t attributes;
    pthread_t thread;
    unsigned char *memory = mmap(NULL, GUARD + size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED || mprotect(memory, GUARD, PROT_NONE) != 0)
        fatal("stack", "no memory");
    memset(memory + GUARD, PATTERN, size);
    work->stack = memory + GUARD;
    work->size = size;
    work->untouched = 0;
    pthread_attr_init(&attributes);
    if (pthread_attr_setstack(&attributes, memory + GUARD, size) != 0 ||
        pthread_create(&thread, &attributes, do_work, work) != 0)
        fatal("stack", "no thread with a stack of its own");
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
    munmap(memory, GUARD + size);
    return size - work->untouched;
}

/* Replies with JSON of the greatest depth that the library reads. */
static void reply_deep(const char *path, const char *fields)
{
    char deep[2 * DEPTH + 1];

    memset(deep, '[', DEPTH);
    memset(deep + DEPTH, ']', DEPTH);
    deep[2 * DEPTH] = '\0';
    sim_post("/faults", "{\"path\":\"%s\",\"kind\":\"raw\",\"body\":\"{%s,\\\"more\\\":%s}\"}", path, fields, deep);
}

static int opening(struct place *place, wxtoken_error *err)
{
    wxtoken *wx = NULL;
    int failed = wxtoken_init(place->store, &wx, err) ||
                 wxtoken_set(wx, "api_base_url", simulator("WXSIM_HTTPS"), err) ||
                 wxtoken_set(wx, "ca_file", simulator("WXSIM_CA"), err) ||
                 wxtoken_register(wx, "shop", "official", place->id, place->secret, err) ||
                 wxtoken_register(wx, "above", "component", "wxabove", place->secret, err) ||
                 wxtoken_put(wx, "above", "verify_ticket", "ticket@@@0123456789", err) ||
                 wxtoken_register(wx, "own", "authorizer", "wxown", NULL, err) ||
                 wxtoken_put(wx, "own", "parent", "above", err) ||
                 wxtoken_put(wx, "own", "refresh_token", "refreshtoken@@@0123456789", err);
    place->wx = wx;
    return failed;
}

static int get(struct place *place, const char *name, wxtoken_error *err)
{
    static wxtoken_token token;
    return wxtoken_get(place->wx, name, &token, err);
}

static int getting(struct place *place, wxtoken_error *err)
{
    return get(place, "shop", err);
}

/* A ticket of an authorizer needs its token, which needs the component's token. */
static int getting_a_chain(struct place *place, wxtoken_error *err)
{
    return get(place, "own/jsapi_ticket", err);
}

static int being_refused(struct place *place, wxtoken_error *err)
{
    return get(place, "shop", err) != WXTOKEN_E_API;
}

static int rejecting(struct place *place, wxtoken_error *err)
{
    return wxtoken_reject(place->wx, "shop", "another", err);
}

static int reporting(struct place *place, wxtoken_error *err)
{
    static char report[65536];
    size_t needed;
    return wxtoken_report(place->wx, report, sizeof report, &needed, err);
}

static int freeing(struct place *place, wxtoken_error *err)
{
    (void)err;
    wxtoken_free(place->wx);
    place->wx = NULL;
    return 0;
}

/* Overwrites the store. The next call repairs it. */
static void damage(const struct place *place)
{
    FILE *file = fopen(place->store, "r+b");
    int i;

    for (i = 0; i < 20000; i++)
        fputc(i % 251, file);
    fclose(file);
}

static void measure(const char *what, size_t most, size_t size, struct place *place,
                    int (*call)(struct place *, wxtoken_error *))
{
    struct work work;
    size_t took;

    memset(&work, 0, sizeof work);
    work.place = place;
    work.call = call;
    took = on_a_stack_of(size, &work);
    if (getenv("SHOW_STACK") != NULL)
        printf("    %-40s %6.1f KiB of %d\n", what, (double)took / KIB, (int)(most / KIB));
    if (work.failed)
        printf("    %s: %s\n", what, work.err.message);
    CHECK(!work.failed);
    if (took > most)
        printf("    %s took %.1f KiB of stack\n", what, (double)took / KIB);
    CHECK(took <= most);
}

static const char *TOKEN = "\\\"access_token\\\":\\\"T-1\\\",\\\"expires_in\\\":7200";
static const char *REFUSAL = "\\\"errcode\\\":40013,\\\"errmsg\\\":\\\"%25\\\\ud800 aGVsbG8gd29ybGQgYWdhaW4 [1]\\\"";

static void make_every_call(size_t size)
{
    struct place place;

    bare_place(&place);
    sim_post("/accounts", "{\"kind\":\"official\",\"id\":\"%s\",\"secret\":\"%s\"}", place.id, place.secret);
    measure("opening, registering, putting", OF_A_FETCH, size, &place, opening);
    reply_deep("/cgi-bin/stable_token", TOKEN);
    /* Keeps the hit a hit, however long this machine stalls before it. */
    CHECK_OK(wxtoken_set(place.wx, "revalidate_ms", "60000", e));
    measure("a fetch by TLS", OF_TLS, size, &place, getting);
    measure("a hit", OF_A_HIT, size, &place, getting);
    measure("a reject", OF_A_FETCH, size, &place, rejecting);
    reply_deep("/cgi-bin/component/api_component_token",
               "\\\"component_access_token\\\":\\\"C\\\",\\\"expires_in\\\":7200");
    reply_deep("/cgi-bin/component/api_authorizer_token",
               "\\\"authorizer_access_token\\\":\\\"A\\\",\\\"expires_in\\\":7200");
    reply_deep("/cgi-bin/ticket/getticket", "\\\"ticket\\\":\\\"K\\\",\\\"expires_in\\\":7200");
    measure("a chain of three fetches by TLS", OF_TLS, size, &place, getting_a_chain);
    measure("a report", OF_A_FETCH, size, &place, reporting);
    damage(&place);
    reply_deep("/cgi-bin/stable_token", REFUSAL);
    CHECK_OK(wxtoken_set(place.wx, "revalidate_ms", "0", e));
    measure("a damaged store, and a refusal", OF_TLS, size, &place, being_refused);
    CHECK_OK(wxtoken_register(place.wx, "shop", "official_classic", place.id, place.secret, e));
    CHECK_OK(wxtoken_set(place.wx, "api_base_url", "", e));
    CHECK_OK(wxtoken_set(place.wx, "proxy", simulator("WXSIM_PROXY"), e));
    measure("a fetch by a proxy and TLS", OF_TLS, size, &place, getting);
    CHECK_OK(wxtoken_register(place.wx, "shop", "official", place.id, place.secret, e));
    CHECK_OK(wxtoken_set(place.wx, "proxy", "", e));
    CHECK_OK(wxtoken_set(place.wx, "api_base_url", simulator("WXSIM_HTTP"), e));
    measure("a fetch without TLS", OF_A_FETCH, size, &place, getting);
    measure("freeing", OF_A_FETCH, size, &place, freeing);
    leave_place(&place);
}

/* First with spare room, so that a call that uses too much is named. Then with exactly the size in the header, or
 * the system's minimum for a thread; on aarch64, glibc requires 128 KiB. */
static void every_call_fits_into_the_stack_that_the_header_states(void)
{
    long least = sysconf(_SC_THREAD_STACK_MIN);

    make_every_call(ROOMY);
    make_every_call(least > STACK ? (size_t)least : STACK);
}

int main(void)
{
    alarm(120);
    RUN(every_call_fits_into_the_stack_that_the_header_states);
    return finish();
}
