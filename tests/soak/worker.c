/* One process of a soak. It reports on stdout. It ends when its stdin does, and thus also when the runner dies.
 *
 *   worker register {NAME KIND ID SECRET}...   Registers the accounts.
 *   worker get NAME                            Gets once, in a new process.
 *   worker expiry OWN NAME...                  Gets each in a loop. The workers in other languages do the same.
 *   worker write NAME SHOP                     Registers NAME with new ids, gets and rejects SHOP, until killed.
 *   worker rejects THREADS PAUSE_MS NAME...    This many threads get and reject each in a loop.
 *
 *   served NAME TOKEN EXPIRES_AT ASKED_MS GETS SLOWEST_MS   A token is new, or is not served any more.
 *   registered N                                            NAME has its Nth id.
 *   did GETS SLOWEST_MS                                     One thread has ended.
 *   failed NAME MESSAGE                                     A call has failed.
 */
#define _POSIX_C_SOURCE 200809L
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wxtoken.h>

#define PAUSE_MS 5
#define MOST_NAMES 8
#define MOST_THREADS 256

static wxtoken *wx;
static char **names;
static int name_count;
static int is_over;
static int pause_between_ms;

/* Each line is written at once, because the process may be killed next. */
#define SAY(...) (printf(__VA_ARGS__), fflush(stdout))

static long long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static int is_told_to_end(int wait_ms)
{
    struct pollfd in = {STDIN_FILENO, POLLIN, 0};
    return poll(&in, 1, wait_ms) > 0;
}

static int get(const char *name, wxtoken_token *token)
{
    wxtoken_error err;
    if (wxtoken_get(wx, name, token, &err) == WXTOKEN_OK)
        return 1;
    SAY("failed %s %s\n", name, err.message);
    return 0;
}

static void reject(const char *name, const char *token)
{
    wxtoken_error err;
    if (wxtoken_reject(wx, name, token, &err) != WXTOKEN_OK)
        SAY("failed %s %s\n", name, err.message);
}

static int enrol(const char *name, const char *kind, const char *id, const char *secret)
{
    wxtoken_error err;
    if (wxtoken_register(wx, name, kind, id, secret, &err) == WXTOKEN_OK)
        return 1;
    SAY("failed %s %s\n", name, err.message);
    return 0;
}

struct served {
    wxtoken_token token;
    long long asked_ms, gets, slowest_ms;
};

static void say_served(const char *name, const struct served *served)
{
    if (served->gets == 0)
        return;
    SAY("served %s %s %lld %lld %lld %lld\n", name, served->token.value, (long long)served->token.expires_at,
        served->asked_ms, served->gets, served->slowest_ms);
}

static void get_once_more(const char *name, struct served *served)
{
    wxtoken_token token;
    long long asked_ms = now_ms(), took_ms;
    int is_new;
    if (!get(name, &token))
        return;
    took_ms = now_ms() - asked_ms;
    is_new = strcmp(token.value, served->token.value) != 0;
    if (is_new) {
        say_served(name, served);
        memset(served, 0, sizeof *served);
        served->token = token;
    }
    served->asked_ms = asked_ms;
    served->gets++;
    if (took_ms > served->slowest_ms)
        served->slowest_ms = took_ms;
    if (is_new)
        say_served(name, served);
}

static int expiry(const char *own)
{
    static struct served served[MOST_NAMES];
    wxtoken_token token;
    /* A process that has led once holds all the resources of a leader: the lock file, and memory. */
    if (!get(own, &token))
        return 1;
    SAY("ready\n");
    do {
        for (int i = 0; i < name_count; i++)
            get_once_more(names[i], &served[i]);
    } while (!is_told_to_end(PAUSE_MS));
    for (int i = 0; i < name_count; i++)
        say_served(names[i], &served[i]);
    return 0;
}

static int write_on(const char *name, const char *shop)
{
    SAY("ready\n");
    for (long n = 1; !is_told_to_end(0); n++) {
        char id[64];
        wxtoken_token token;
        snprintf(id, sizeof id, "%s.%ld", name, n);
        if (enrol(name, "official", id, "0123456789abcdef0123456789abcdef"))
            SAY("registered %ld\n", n);
        if (get(shop, &token))
            reject(shop, token.value);
    }
    return 0;
}

static void *get_and_reject(void *unused)
{
    long long gets = 0, slowest_ms = 0;
    while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
        for (int i = 0; i < name_count; i++) {
            wxtoken_token token;
            long long began_ms = now_ms(), took_ms;
            if (!get(names[i], &token))
                continue;
            reject(names[i], token.value);
            gets++;
            took_ms = now_ms() - began_ms;
            if (took_ms > slowest_ms)
                slowest_ms = took_ms;
        }
        /* poll() without descriptors sleeps; for 0 ms it returns at once. */
        poll(NULL, 0, pause_between_ms);
    }
    SAY("did %lld %lld\n", gets, slowest_ms);
    return unused;
}

static int rejects(int thread_count)
{
    pthread_t threads[MOST_THREADS];
    for (int i = 0; i < thread_count; i++) {
        if (pthread_create(&threads[i], NULL, get_and_reject, NULL) != 0)
            return 1;
    }
    SAY("ready\n");
    while (!is_told_to_end(-1))
        continue;
    __atomic_store_n(&is_over, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < thread_count; i++)
        pthread_join(threads[i], NULL);
    return 0;
}

static int run(const char *what, int count, char **words)
{
    wxtoken_token token;
    if (strcmp(what, "register") == 0) {
        for (; count >= 4; count -= 4, words += 4) {
            if (!enrol(words[0], words[1], words[2], words[3]))
                return 1;
        }
        return 0;
    }
    if (strcmp(what, "get") == 0)
        return !get(words[0], &token);
    if (strcmp(what, "write") == 0 && count == 2)
        return write_on(words[0], words[1]);
    if (strcmp(what, "expiry") == 0 && count <= 1 + MOST_NAMES) {
        names = words + 1;
        name_count = count - 1;
        return expiry(words[0]);
    }
    if (strcmp(what, "rejects") == 0 && count > 2 && atoi(words[0]) <= MOST_THREADS) {
        names = words + 2;
        name_count = count - 2;
        pause_between_ms = atoi(words[1]);
        return rejects(atoi(words[0]));
    }
    return 2;
}

int main(int argc, char **argv)
{
    wxtoken_error err;
    int code;
    if (argc < 3)
        return 2;
    if (wxtoken_init(NULL, &wx, &err) != WXTOKEN_OK) {
        SAY("failed init %s\n", err.message);
        return 1;
    }
    code = run(argv[1], argc - 2, argv + 2);
    wxtoken_free(wx);
    return code;
}
