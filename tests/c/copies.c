/* Two copies of the library in one process, such as a wheel's and the system's. They share a store like two
 * processes. Linked with -ldl only; $WXTOKEN_LIBRARY is the path of the library. */
#define _XOPEN_SOURCE 700
#include <dlfcn.h>
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wxtoken.h>

#include "loaded.h"

enum { COPIES = 2, THREADS = 2, WRITES = 150, GUARD_S = 300 };

/* One copy, loaded from its own file. */
struct copy {
    enum wxtoken_status (*init)(const char *, wxtoken **, wxtoken_error *);
    enum wxtoken_status (*set)(wxtoken *, const char *, const char *, wxtoken_error *);
    enum wxtoken_status (*account)(wxtoken *, const char *, const char *, const char *, const char *, wxtoken_error *);
    enum wxtoken_status (*put)(wxtoken *, const char *, const char *, const char *, wxtoken_error *);
    int number;
};

static char directory[] = "/tmp/wxtoken-c-XXXXXX";
static char store[96];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int failures;

static void fail(const char *what)
{
    pthread_mutex_lock(&lock);
    if (failures++ < 5)
        printf("%s\n", what);
    pthread_mutex_unlock(&lock);
}

static void load(struct copy *copy, int number)
{
    char command[512], path[128];
    void *library;
    snprintf(path, sizeof path, "%s/copy-%d.so", directory, number);
    snprintf(command, sizeof command, "cp '%s' %s", getenv("WXTOKEN_LIBRARY"), path);
    if (system(command) != 0 || (library = dlopen(path, RTLD_NOW | RTLD_LOCAL)) == NULL) {
        printf("copy %d could not be loaded\n", number);
        exit(1);
    }
    copy->number = number;
    find(library, "wxtoken_init", &copy->init);
    find(library, "wxtoken_set", &copy->set);
    find(library, "wxtoken_register", &copy->account);
    find(library, "wxtoken_put", &copy->put);
}

static void *write_and_write(void *argument)
{
    const struct copy *copy = argument;
    wxtoken *wx = NULL;
    wxtoken_error err;
    char name[64];
    int i;
    if (copy->init(store, &wx, &err) != WXTOKEN_OK || copy->set(wx, "timeout_ms", "120000", &err) != WXTOKEN_OK) {
        fail(err.message);
        return NULL;
    }
    for (i = 0; i < WRITES; i++) {
        snprintf(name, sizeof name, "shop-%d-%d", copy->number, i);
        if (copy->account(wx, name, "official", "wxdemo0000000001", "demo-secret-0000000000000000000000001", &err) !=
                WXTOKEN_OK ||
            copy->put(wx, name, "current", "1", &err) != WXTOKEN_OK)
            fail(err.message);
    }
    return NULL;
}

/* Checks the store with sqlite3, and the files next to it. */
static void look_at_the_store(void)
{
    char command[256], answer[64] = "";
    struct dirent *entry;
    FILE *asked;
    DIR *listed;
    snprintf(command, sizeof command,
             "sqlite3 %s \"PRAGMA integrity_check; SELECT count(*) FROM weixin_account\" | tr '\\n' ' '", store);
    asked = popen(command, "r");
    if (asked == NULL || fgets(answer, sizeof answer, asked) == NULL)
        fail("sqlite3 did not answer: apt-get install sqlite3");
    if (asked != NULL)
        pclose(asked);
    snprintf(command, sizeof command, "ok %d ", COPIES * WRITES);
    if (strcmp(answer, command) != 0)
        fail(answer);
    listed = opendir(directory);
    while (listed != NULL && (entry = readdir(listed)) != NULL)
        if (strstr(entry->d_name, "corrupt") != NULL)
            fail(entry->d_name);
    if (listed != NULL)
        closedir(listed);
}

int main(void)
{
    struct copy copies[COPIES];
    pthread_t threads[COPIES * THREADS];
    char command[128];
    int i;

    alarm(GUARD_S);
    unsetenv("WXTOKEN_STORE");
    if (getenv("WXTOKEN_LIBRARY") == NULL) {
        puts("WXTOKEN_LIBRARY is not set: run this as `make -C tests/c` does");
        return 1;
    }
    if (mkdtemp(directory) == NULL) {
        puts("cannot make a directory in /tmp: make it writable");
        return 1;
    }
    snprintf(store, sizeof store, "%s/tokens.db", directory);
    for (i = 0; i < COPIES; i++)
        load(&copies[i], i);
    for (i = 0; i < COPIES * THREADS; i++)
        if (pthread_create(&threads[i], NULL, write_and_write, &copies[i % COPIES]) != 0) {
            puts("pthread_create failed: raise the limit of threads");
            return 1;
        }
    for (i = 0; i < COPIES * THREADS; i++)
        pthread_join(threads[i], NULL);
    look_at_the_store();
    snprintf(command, sizeof command, "rm -r %s", directory);
    if (system(command) != 0)
        fail("the directory could not be removed");
    printf("%d passed, %d failed\n", failures == 0, failures != 0);
    return failures == 0 ? 0 : 1;
}
