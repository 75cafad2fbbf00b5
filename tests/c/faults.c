/* Memory, the disk or the clock fail the library, under shim.so, which makes them fail at a chosen moment. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "faults.h"

enum { GUARD_S = 600 };

static struct shim *shim; /* in the preloaded library */

/* Shared, so that the clock steps for all processes at once, and a parent learns of the faults in its children. */
static struct host {
    volatile long long wall_step_s;
    enum shim_call call;
    char where[96];
    long passing, failing, struck;
    long long next_step_s;
} * host;

static int strike(enum shim_call call, const char *path)
{
    if (call != host->call || (path != NULL && strncmp(path, host->where, strlen(host->where)) != 0))
        return 0;
    if (host->passing > 0) {
        host->passing--;
        return 0;
    }
    if (host->failing == 0)
        return 0;
    host->failing--;
    host->struck++;
    return call == SHIM_ALLOCATE ? ENOMEM : EIO;
}

void begin_fault(enum shim_call call, const char *where, long passing, long failing)
{
    host->call = call;
    snprintf(host->where, sizeof host->where, "%s", where == NULL ? "" : where);
    host->passing = passing;
    host->failing = failing;
    host->struck = 0;
    shim->before = strike;
}

static int die(enum shim_call call, const char *path)
{
    if (strike(call, path) != 0)
        kill(getpid(), SIGKILL);
    return 0;
}

void begin_death(enum shim_call call, const char *where, long passing)
{
    begin_fault(call, where, passing, 1);
    shim->before = die;
}

static long silence_s;

static int say_nothing(enum shim_call call, const char *name)
{
    (void)name;
    if (call != SHIM_RESOLVE)
        return 0;
    host->struck++;
    sleep((unsigned)silence_s);
    return EIO;
}

void begin_silence(long seconds)
{
    silence_s = seconds;
    host->struck = 0;
    shim->before = say_nothing;
}

long end_fault(void)
{
    shim->before = NULL;
    return host->struck;
}

long long set_clock(long long step_s)
{
    long long before = host->wall_step_s;
    host->wall_step_s = step_s;
    return before;
}

static int step_at_answer(enum shim_call call, const char *path)
{
    (void)path;
    if (call == SHIM_RECEIVE)
        host->wall_step_s = host->next_step_s;
    return 0;
}

void set_clock_at_answer(long long step_s)
{
    host->next_step_s = step_s;
    shim->before = step_at_answer;
}

long long boot_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

void *shared_memory(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        fatal("mmap", "no shared memory");
    return memory;
}

void check_sound(const struct place *place)
{
    char command[256], verdict[512];
    FILE *checker;
    DIR *directory = opendir(place->directory);
    struct dirent *entry;

    while (directory != NULL && (entry = readdir(directory)) != NULL)
        CHECK_HIDES(entry->d_name, ".corrupt");
    if (directory != NULL)
        closedir(directory);
    snprintf(command, sizeof command, "sqlite3 '%s' 'PRAGMA integrity_check'", place->store);
    checker = popen(command, "r");
    verdict[checker == NULL ? 0 : fread(verdict, 1, sizeof verdict - 1, checker)] = '\0';
    CHECK(checker != NULL && pclose(checker) == 0);
    CHECK(strcmp(verdict, "ok\n") == 0);
}

int get_afresh(const struct place *place, const char *expected)
{
    wxtoken *wx = open_store(place->store);
    wxtoken_token token;
    wxtoken_error err;

    if (wxtoken_get(wx, "shop", &token, &err) != WXTOKEN_OK)
        return complain_about("get", &err);
    wxtoken_free(wx);
    return expected != NULL && strcmp(token.value, expected) != 0 ? 2 : 0;
}

int main(int argc, char **argv)
{
    alarm(GUARD_S);
    setvbuf(stdout, NULL, _IOLBF, 0);
    unsetenv("WXTOKEN_STORE");
    unsetenv("LD_PRELOAD"); /* sqlite3 runs without the shim */
    shim = dlsym(RTLD_DEFAULT, "shim");
    if (shim == NULL)
        fatal("shim.so", "is not preloaded: run this as `make -C tests/c faults` does");
    host = shared_memory(sizeof *host);
    shim->wall_step_s = &host->wall_step_s;
#define RUN_IF_WANTED(story)           \
    if (is_wanted(#story, argc, argv)) \
        RUN(story);
    STORIES(RUN_IF_WANTED)
    return finish();
}
