/* The cost of the library for a process: private memory, threads, descriptors.
 *
 *     footprint LIBRARY WHAT STORE NAME [ID SECRET]
 *
 * Loads the library by name, so that loading is included. Gets a token from the store, or from the platform if an id
 * and a secret are given. WHAT is part of the facts' names.
 */
#define _DEFAULT_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <wxtoken.h>

#include "bench.h"

struct cost {
    double private_kb;
    double dirty_kb;
    double threads;
    double descriptors;
};

static double entries(const char *directory)
{
    DIR *open = opendir(directory);
    struct dirent *entry;
    int count = 0;

    if (open == NULL)
        fail(directory, "cannot be read");
    while ((entry = readdir(open)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(open);
    return count;
}

static struct cost read_cost(void)
{
    struct cost cost = {0, 0, 0, 0};
    FILE *rollup = fopen("/proc/self/smaps_rollup", "r");
    char line[256];
    double kb;

    if (rollup == NULL)
        fail("/proc/self/smaps_rollup", "cannot be read");
    while (fgets(line, sizeof line, rollup) != NULL) {
        if (sscanf(line, "Private_Clean: %lf", &kb) == 1)
            cost.private_kb += kb;
        if (sscanf(line, "Private_Dirty: %lf", &kb) == 1) {
            cost.private_kb += kb;
            cost.dirty_kb += kb;
        }
    }
    fclose(rollup);
    cost.threads = entries("/proc/self/task");
    cost.descriptors = entries("/proc/self/fd");
    return cost;
}

static void say_cost(const char *what, const char *when, const struct cost *before)
{
    struct cost now = read_cost();
    char id[96];

    snprintf(id, sizeof id, "%s-%s-private-kb", what, when);
    say_fact(id, now.private_kb - before->private_kb);
    snprintf(id, sizeof id, "%s-%s-dirty-kb", what, when);
    say_fact(id, now.dirty_kb - before->dirty_kb);
    snprintf(id, sizeof id, "%s-%s-threads", what, when);
    say_fact(id, now.threads - before->threads);
    snprintf(id, sizeof id, "%s-%s-descriptors", what, when);
    say_fact(id, now.descriptors - before->descriptors);
}

typedef wxtoken_status init_call(const char *, wxtoken **, wxtoken_error *);
typedef wxtoken_status account_call(wxtoken *, const char *, const char *, const char *, const char *, wxtoken_error *);
typedef wxtoken_status get_call(wxtoken *, const char *, wxtoken_token *, wxtoken_error *);

static void *library;

static void find(const char *symbol, void *function)
{
    void *found = dlsym(library, symbol);
    if (found == NULL)
        fail(symbol, "is not in the library");
    memcpy(function, &found, sizeof found);
}

int main(int argc, char **argv)
{
    init_call *init;
    account_call *account;
    get_call *get_token;
    wxtoken *wx;
    wxtoken_token token;
    wxtoken_error err;
    struct cost before;

    if (argc != 5 && argc != 7)
        fail("footprint", "LIBRARY WHAT STORE NAME [ID SECRET]");
    /* If the kernel merges small pages into huge ones, memory seems to grow by megabytes. */
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    read_cost();
    before = read_cost();
    library = dlopen(argv[1], RTLD_NOW);
    if (library == NULL)
        fail(argv[1], dlerror());
    find("wxtoken_init", &init);
    find("wxtoken_register", &account);
    find("wxtoken_get", &get_token);
    say_cost(argv[2], "loaded", &before);
    if (init(argv[3], &wx, &err) || (argc == 7 && account(wx, argv[4], "official", argv[5], argv[6], &err)) ||
        get_token(wx, argv[4], &token, &err))
        fail(argv[3], err.message);
    say_cost(argv[2], "used", &before);
    return 0;
}
