/* dlopen and dlclose fifty times, as PHP does at the end of each request. The library and its cache stay loaded.
 * Linked with -ldl only; $WXTOKEN_LIBRARY is the path of the library. */
#define _GNU_SOURCE /* RTLD_NOLOAD */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wxtoken.h>

#include "loaded.h"

enum { ROUNDS = 50, GUARD_S = 120 };

static char store[96];
static const void *first_place;
static wxtoken_token first_token;
static int failures;

static void fail(const char *what)
{
    printf("%s\n", what);
    failures++;
}

static void *load_get_and_unload(void *argument)
{
    enum wxtoken_status (*init)(const char *, wxtoken **, wxtoken_error *);
    enum wxtoken_status (*set)(wxtoken *, const char *, const char *, wxtoken_error *);
    enum wxtoken_status (*account)(wxtoken *, const char *, const char *, const char *, const char *, wxtoken_error *);
    enum wxtoken_status (*get)(wxtoken *, const char *, wxtoken_token *, wxtoken_error *);
    void (*release)(wxtoken *);
    int round = *(int *)argument;
    void *library = dlopen(getenv("WXTOKEN_LIBRARY"), RTLD_NOW | RTLD_LOCAL);
    wxtoken *wx = NULL;
    wxtoken_token token;
    wxtoken_error err;

    if (library == NULL) {
        fail(dlerror());
        return NULL;
    }
    find(library, "wxtoken_init", &init);
    find(library, "wxtoken_set", &set);
    find(library, "wxtoken_register", &account);
    find(library, "wxtoken_get", &get);
    find(library, "wxtoken_free", &release);
    if (init(store, &wx, &err) != WXTOKEN_OK || set(wx, "api_base_url", getenv("WXSIM_HTTP"), &err) != WXTOKEN_OK ||
        account(wx, "demo", "official", "wxdemo0000000001", "demo-secret-0000000000000000000000001", &err) !=
            WXTOKEN_OK ||
        get(wx, "demo", &token, &err) != WXTOKEN_OK) {
        fail(err.message);
    } else if (round == 0) {
        first_token = token;
        first_place = dlsym(library, "wxtoken_get");
    } else if (strcmp(token.value, first_token.value) != 0) {
        fail("another token after an unload");
    } else if (dlsym(library, "wxtoken_get") != first_place) {
        fail("the library is in another place");
    }
    if (wx != NULL)
        release(wx);
    dlclose(library);
    return NULL;
}

static int is_loaded(void)
{
    void *library = dlopen(getenv("WXTOKEN_LIBRARY"), RTLD_NOW | RTLD_NOLOAD);
    if (library != NULL)
        dlclose(library);
    return library != NULL;
}

int main(void)
{
    char directory[] = "/tmp/wxtoken-c-XXXXXX", command[128];
    int round;

    alarm(GUARD_S);
    unsetenv("WXTOKEN_STORE");
    if (getenv("WXTOKEN_LIBRARY") == NULL || getenv("WXSIM_HTTP") == NULL) {
        puts("WXTOKEN_LIBRARY or WXSIM_HTTP is not set: run this as `make -C tests/c` does");
        return 1;
    }
    if (mkdtemp(directory) == NULL) {
        puts("cannot make a directory in /tmp: make it writable");
        return 1;
    }
    snprintf(store, sizeof store, "%s/tokens.db", directory);
    for (round = 0; round < ROUNDS; round++) {
        pthread_t thread;
        /* A thread that used the library ends after the unload, and its thread-local data is destroyed. In the
         * second half the main thread uses the library too; from then on its thread-local data alone would keep the
         * library loaded. */
        if (round >= ROUNDS / 2 && round % 2 == 0)
            load_get_and_unload(&round);
        else if (pthread_create(&thread, NULL, load_get_and_unload, &round) != 0 || pthread_join(thread, NULL) != 0)
            fail("no thread");
        /* Asked twice: the first call unloads the library if the end of the thread has released it. */
        if (!is_loaded() || !is_loaded())
            fail("the library was really unloaded: is it linked with -z nodelete?");
    }
    snprintf(command, sizeof command, "rm -r %s", directory);
    if (system(command) != 0)
        fail("the directory could not be removed");
    printf("%d passed, %d failed\n", failures == 0, failures != 0);
    return failures == 0 ? 0 : 1;
}
