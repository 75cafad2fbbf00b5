/* Row 33: memory runs out, at each allocation of a call in turn.
 *
 * The call may fail. It may end the process with a message about memory, as the header says. Or it succeeds, and
 * then its result is right. In each case the next process finds a sound store and gets its token. Each try is a
 * child that has not used the library before, on a copy of the same files. */
#define _XOPEN_SOURCE 700
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

#include "faults.h"

enum { WRONG = 3 }; /* a child's exit code */

/* A call by a process that has the store open, unless the call is the opening. */
struct operation {
    const char *name;
    const char *kind; /* the kind of account "shop"; NULL: there is no store yet */
    int has_token; /* whether the store has one at first */
    long most_requests; /* of the child and of the next process */
    wxtoken_status (*call)(struct place *place, wxtoken_error *err);
    int (*is_right)(struct place *place); /* after WXTOKEN_OK, with memory available again */
};

/* The result of a child. */
static struct words {
    int is_done;
    wxtoken_status status;
    wxtoken_error err;
    wxtoken_token token;
    char report[4096];
} * words;

/* The initial files, kept in memory, because a process that uses the library must not open them itself. */
static struct file {
    const char *ending;
    char bytes[65536];
    size_t size;
} files[] = {{"", "", 0}, {".key", "", 0}};

static const struct operation *operation;
static long passing, failing;
static wxtoken_token known_token; /* these two are the results without a fault */
static char known_report[4096];
static char errors[96]; /* the file for a child's stderr */

static wxtoken_status call_init(struct place *place, wxtoken_error *err)
{
    return wxtoken_init(place->store, &place->wx, err);
}

static wxtoken_status call_account(struct place *place, wxtoken_error *err)
{
    return wxtoken_register(place->wx, "second", "official", place->id, place->secret, err);
}

static wxtoken_status call_get(struct place *place, wxtoken_error *err)
{
    return wxtoken_get(place->wx, "shop", &words->token, err);
}

static wxtoken_status call_reject(struct place *place, wxtoken_error *err)
{
    return wxtoken_reject(place->wx, "shop", known_token.value, err);
}

static wxtoken_status call_report(struct place *place, wxtoken_error *err)
{
    size_t needed;
    return wxtoken_report(place->wx, words->report, sizeof words->report, &needed, err);
}

static int serves(struct place *place, const char *account)
{
    wxtoken_token token;
    wxtoken_error err;
    if (wxtoken_set(place->wx, "api_base_url", simulator("WXSIM_HTTP"), &err) != WXTOKEN_OK ||
        wxtoken_get(place->wx, account, &token, &err) != WXTOKEN_OK)
        return !complain_about("a get after the call", &err);
    return strcmp(token.value, known_token.value) == 0;
}

static int serves_shop(struct place *place)
{
    return serves(place, "shop");
}

static int serves_second(struct place *place)
{
    return serves(place, "second");
}

static int takes_accounts(struct place *place)
{
    wxtoken_error err;
    if (wxtoken_register(place->wx, "shop", "official", place->id, place->secret, &err) != WXTOKEN_OK)
        return !complain_about("an account after the call", &err);
    return serves_shop(place);
}

static int gave_known_token(struct place *place)
{
    (void)place;
    return words->token.length == known_token.length && strcmp(words->token.value, known_token.value) == 0;
}

static int gave_good_token(struct place *place)
{
    return words->token.length == strlen(words->token.value) && sim_takes(place->id, words->token.value);
}

/* Whether a get asks the platform about the rejected token, and returns it again. */
static int asks_again(struct place *place)
{
    long before = sim_count(place->id, "business");
    return serves_shop(place) && sim_count(place->id, "business") == before + 1;
}

static void blank_now(char *report)
{
    char *now = strstr(report, "\"now\":");
    if (now != NULL)
        for (now += strlen("\"now\":"); *now >= '0' && *now <= '9'; now++)
            *now = '0';
}

static int gave_known_report(struct place *place)
{
    (void)place;
    blank_now(words->report);
    return strcmp(words->report, known_report) == 0;
}

static const struct operation OPERATIONS[] = {
    {"init of a new store", NULL, 0, 1, call_init, takes_accounts},
    {"the first account", NULL, 0, 1, call_account, serves_second},
    {"init", "official", 1, 0, call_init, serves_shop},
    {"account", "official", 1, 0, call_account, serves_second},
    {"get from the store", "official", 1, 0, call_get, gave_known_token},
    {"get with a fetch, stable", "official", 0, 2, call_get, gave_known_token},
    {"get with a fetch, classic", "official_classic", 0, 2, call_get, gave_good_token},
    {"reject", "official", 1, 2, call_reject, asks_again},
    {"report", "official", 1, 0, call_report, gave_known_report},
};

static const char *kind(void)
{
    return operation->kind == NULL ? "official" : operation->kind;
}

/* A separate process creates the files and reports its results; if `expected` is not NULL, it also gets. */
static int make_store(const struct place *place, const char *expected)
{
    struct place own = *place;
    own.wx = open_store(place->store);
    if (wxtoken_register(own.wx, "shop", kind(), own.id, own.secret, &words->err) != WXTOKEN_OK ||
        (expected != NULL &&
         (call_get(&own, &words->err) != WXTOKEN_OK || call_report(&own, &words->err) != WXTOKEN_OK)))
        return complain_about("making a store", &words->err);
    wxtoken_free(own.wx);
    return 0;
}

static FILE *open_file(const struct place *place, const struct file *file, const char *mode)
{
    char path[192];
    FILE *stream;
    snprintf(path, sizeof path, "%s%s", place->store, file->ending);
    stream = fopen(path, mode);
    if (stream == NULL)
        fatal(path, "cannot be opened");
    return stream;
}

static void keep_files(const struct place *place)
{
    size_t i;
    for (i = 0; i < sizeof files / sizeof *files; i++) {
        FILE *stream = open_file(place, &files[i], "r");
        files[i].size = fread(files[i].bytes, 1, sizeof files[i].bytes, stream);
        CHECK(files[i].size > 0 && files[i].size < sizeof files[i].bytes);
        fclose(stream);
    }
}

static void lay_files(const struct place *place)
{
    size_t i;
    empty_place(place);
    for (i = 0; operation->kind != NULL && i < sizeof files / sizeof *files; i++) {
        FILE *stream = open_file(place, &files[i], "w");
        fwrite(files[i].bytes, 1, files[i].size, stream);
        fclose(stream);
    }
}

/* A child that makes the call while allocations fail. */
static int try(const struct place *place, const char *expected)
{
    struct place own = *place;
    struct rlimit no_core = {0, 0};
    int log = open(errors, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    (void)expected;
    setrlimit(RLIMIT_CORE, &no_core);
    if (log < 0 || dup2(log, STDERR_FILENO) < 0)
        return 1;
    if (operation->call != call_init)
        own.wx = open_store(own.store);
    begin_fault(SHIM_ALLOCATE, NULL, passing, failing);
    words->status = operation->call(&own, &words->err);
    end_fault();
    words->is_done = 1;
    return words->status == WXTOKEN_OK && !operation->is_right(&own) ? WRONG : 0;
}

/* The next process: it registers the account, as always, and gets. */
static int start_afresh(const struct place *place, const char *expected)
{
    struct place own = *place;
    wxtoken_error err;
    wxtoken_token token;
    own.wx = open_store(place->store);
    if (wxtoken_register(own.wx, "shop", kind(), own.id, own.secret, &err) != WXTOKEN_OK)
        return complain_about("account", &err);
    if (wxtoken_get(own.wx, "shop", &token, &err) != WXTOKEN_OK)
        return complain_about("get", &err);
    return expected != NULL && strcmp(token.value, expected) != 0 ? WRONG : 0;
}

static char *read_errors(void)
{
    static char text[4096];
    FILE *stream = fopen(errors, "r");
    text[stream == NULL ? 0 : fread(text, 1, sizeof text - 1, stream)] = '\0';
    if (stream != NULL)
        fclose(stream);
    return text;
}

/* Whether the process reported a lack of memory before it ended. The second text is glibc's, for a thread that
 * registers a destructor. */
static int tells_of_memory(const char *text)
{
    return strstr(text, "memory allocation of ") != NULL || strstr(text, "TLS destructor: out of memory") != NULL;
}

/* glibc 2.31 reports nothing: its __cxa_thread_atexit_impl writes to the result of calloc, even if it is NULL. */
static int is_of_an_old_glibc(int state)
{
#ifdef __GLIBC__
    return WTERMSIG(state) == SIGSEGV && strcmp(gnu_get_libc_version(), "2.31") <= 0;
#else
    return state < 0;
#endif
}

struct tally {
    long tries, errors, aborts, through;
};

/* Runs one child. Returns whether the fault has struck it. */
static int strike_once(const struct place *place, struct tally *tally)
{
    long requests = sim_count(place->id, "requests"), struck;
    int state;

    lay_files(place);
    memset(words, 0, sizeof *words);
    state = end_of(bear(try, place, NULL));
    struck = end_fault();
    tally->tries += struck > 0;
    if (WIFSIGNALED(state)) {
        tally->aborts++;
        if (!is_of_an_old_glibc(state)) {
            CHECK_EQUAL(WTERMSIG(state), SIGABRT); /* SIGALRM would be a hang */
            CHECK(tells_of_memory(read_errors()));
            if (WTERMSIG(state) != SIGABRT)
                return 0;
        }
        CHECK(!words->is_done);
    } else if (WEXITSTATUS(state) != 0) {
        CHECK_EQUAL(WEXITSTATUS(state), 0); /* WRONG means a wrong result with WXTOKEN_OK */
        printf("    %s, allocation %ld: %s\n", operation->name, passing, read_errors());
    } else if (words->status != WXTOKEN_OK) {
        tally->errors++;
        CHECK(struck > 0);
        CHECK(words->status != WXTOKEN_E_INTERNAL);
        check_status(words->status, words->status, &words->err, operation->name, __FILE__, __LINE__);
        CHECK(words->token.length == 0 && words->token.value[0] == '\0' && words->report[0] == '\0');
    } else {
        tally->through += struck > 0;
    }
    wait_for(bear(start_afresh, place, strcmp(kind(), "official") == 0 ? known_token.value : NULL));
    CHECK(sim_count(place->id, "requests") - requests <= operation->most_requests);
    return struck > 0;
}

/* Fails each numbered allocation in turn: only that one, and then also all after it. */
static void sweep(long step)
{
    struct place place;
    struct tally tally = {0, 0, 0, 0};
    int number = 0;

    bare_place(&place);
    snprintf(errors, sizeof errors, "%s/stderr", place.directory);
    sim_post("/accounts", "{\"kind\":\"official\",\"id\":\"%s\",\"secret\":\"%s\"}", place.id, place.secret);
    wait_for(bear(make_store, &place, NULL));
    if (!operation->has_token)
        keep_files(&place);
    wait_for(bear(make_store, &place, "a token"));
    if (operation->has_token)
        keep_files(&place);
    known_token = words->token;
    blank_now(words->report);
    memcpy(known_report, words->report, sizeof known_report);
    for (failing = 1; failing > 0; failing = failing == 1 ? EVER : 0) {
        passing = failing == 1 ? 0 : step / 2;
        while (strike_once(&place, &tally)) {
            if (++number % 16 == 0)
                check_sound(&place);
            passing += step;
        }
        check_sound(&place);
    }
    printf("    %s: %ld tries, %ld errors, %ld aborts, %ld got through\n", operation->name, tally.tries, tally.errors,
           tally.aborts, tally.through);
    CHECK(tally.errors > 0 && tally.aborts > 0);
    if (strcmp(kind(), "official") == 0)
        CHECK_EQUAL(sim_count(place.id, "minted"), 1);
    leave_place(&place);
}

/* Trying each allocation takes minutes: set $FAULTS_STEP to 1 for that. */
void without_memory_a_call_fails_or_the_process_ends(void)
{
    const char *chosen = getenv("FAULTS_STEP");
    long step = chosen == NULL ? 13 : atol(chosen);
    size_t i;

    words = shared_memory(sizeof *words);
    for (i = 0; i < sizeof OPERATIONS / sizeof *OPERATIONS; i++) {
        operation = &OPERATIONS[i];
        sweep(step < 1 ? 1 : step);
    }
}
