/* One process of the soak `chaos`: a host with every bad habit, a failing disk and a stepping clock.
 *
 *   vandal OWN SHOP      Runs under shim.so. Registers OWN with new ids and gets SHOP, until its stdin ends. Then the
 *                        disk and the host behave, and when the store is back each call must succeed.
 *
 *   registered N         OWN has its Nth id.
 *   failed SHOP MESSAGE  A call had a wrong result.
 *   did WHAT COUNT       The number of times since the last such line. One comes each second, for a host may be killed.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wxtoken.h>

#include "../c/shim.h"

enum { GETTERS = 3, PLANTS = 4, CHILD_S = 120, LAST_ROUNDS = 20, BACK_WITHIN_MS = 30000, TELL_EACH_MS = 1000 };
#define SAY(...) (printf(__VA_ARGS__), fflush(stdout))
#define COUNT(what) __atomic_add_fetch(&did[what], 1, __ATOMIC_RELAXED)

enum what { GETS, REFUSED, REGISTRATIONS, CLOSED, PLANTED, FORKS, WRITES_FAILED, WRITES_SLOWED, STEPS, KINDS };
static const char *const names_of[KINDS] = {"gets",  "refused",       "registrations", "closed",     "planted",
                                            "forks", "disk-failures", "disk-delays",   "clock-steps"};
static long did[KINDS];

static wxtoken *wx;
static const char *shop, *own, *directory;
static int is_calm, is_back, is_over, is_stalled;
static volatile long long step_s;
/* Held for reading by each call, and for writing by actions that no program can do during a call. */
static pthread_rwlock_t calls = PTHREAD_RWLOCK_INITIALIZER;

static unsigned next_random(void)
{
    static __thread unsigned long long state;
    if (state == 0)
        state = (unsigned long long)getpid() << 32 ^ (unsigned long long)pthread_self() ^ 0x9e3779b97f4a7c15;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state >> 20);
}

static int one_in(unsigned n)
{
    return next_random() % n == 0;
}
static void sleep_ms(int ms)
{
    poll(NULL, 0, ms);
}
static int calm(void)
{
    return __atomic_load_n(&is_calm, __ATOMIC_RELAXED);
}
static int back(void)
{
    return __atomic_load_n(&is_back, __ATOMIC_RELAXED);
}
static int over(void)
{
    return __atomic_load_n(&is_over, __ATOMIC_RELAXED);
}

/* The failing disk. Must not allocate. */
static int disk(enum shim_call call, const char *path)
{
    if (call == SHIM_ALLOCATE || call == SHIM_RESOLVE || call == SHIM_RECEIVE || calm())
        return 0;
    if (strncmp(path, directory, strlen(directory)) != 0)
        return 0;
    if (one_in(60)) {
        COUNT(WRITES_SLOWED);
        __atomic_add_fetch(&is_stalled, 1, __ATOMIC_RELAXED);
        sleep_ms(one_in(40) ? 1500 : (int)(next_random() % 40));
        __atomic_sub_fetch(&is_stalled, 1, __ATOMIC_RELAXED);
    }
    if (!one_in(300))
        return 0;
    COUNT(WRITES_FAILED);
    return call == SHIM_WRITE && one_in(2) ? ENOSPC : EIO;
}

/* A disk, key or platform that is temporarily unavailable is an acceptable error. A lost account is not. */
static int may_be(wxtoken_status status)
{
    return status == WXTOKEN_OK || status == WXTOKEN_E_STORE || status == WXTOKEN_E_TIMEOUT ||
           status == WXTOKEN_E_NETWORK || status == WXTOKEN_E_SECRET;
}

static wxtoken_status get(void)
{
    wxtoken_token token;
    wxtoken_error err;
    wxtoken_status status = wxtoken_get(wx, shop, &token, &err);
    COUNT(status == WXTOKEN_OK ? GETS : REFUSED);
    if (!may_be(status) || (status != WXTOKEN_OK && back()))
        SAY("failed get %s\n", err.message);
    if (status == WXTOKEN_OK && one_in(2000))
        wxtoken_reject(wx, shop, token.value, NULL);
    return status;
}

static void *keep_getting(void *unused)
{
    while (!over()) {
        pthread_rwlock_rdlock(&calls);
        get();
        pthread_rwlock_unlock(&calls);
        sleep_ms(1);
    }
    return unused;
}

static wxtoken_status register_next(long *number)
{
    wxtoken_error err;
    wxtoken_status status;
    char id[64];
    snprintf(id, sizeof id, "%s.%ld", own, *number + 1);
    status = wxtoken_register(wx, own, "official", id, "0123456789abcdef0123456789abcdef", &err);
    if (status == WXTOKEN_OK) {
        SAY("registered %ld\n", ++*number);
        COUNT(REGISTRATIONS);
    } else if (!may_be(status) || back()) {
        SAY("failed register %s\n", err.message);
    }
    return status;
}

static void *keep_registering(void *number)
{
    while (!over()) {
        pthread_rwlock_rdlock(&calls);
        register_next(number);
        pthread_rwlock_unlock(&calls);
        sleep_ms(20);
    }
    return NULL;
}

static void *keep_forking(void *unused)
{
    while (!over()) {
        int end = 0;
        pid_t child = fork();
        if (child == 0) {
            alarm(CHILD_S);
            _exit(may_be(get()) ? 0 : 1);
        }
        if (child > 0 && (waitpid(child, &end, 0) != child || end != 0))
            SAY("failed fork a child ended with %x\n", end);
        COUNT(FORKS);
        sleep_ms(200);
    }
    return unused;
}

/* A file of the host's that has taken the number of one of the library's descriptors. */
struct plant {
    int fd, is_file;
    ino_t inode;
    char path[300];
};

static const char DATA[] = "the host's own data\n";

static void put_plant(struct plant *plant, int fd, int number)
{
    static const int FLAGS[] = {O_RDWR, O_RDWR | O_APPEND};
    struct stat about;
    int source;
    snprintf(plant->path, sizeof plant->path, "%s/%d-%d", getenv("CHAOS_PLANTS"), (int)getpid(), number);
    plant->is_file = !one_in(3);
    if (plant->is_file) {
        source = open(plant->path, FLAGS[one_in(2)] | O_CREAT | O_TRUNC, 0600);
        if (source < 0 || write(source, DATA, sizeof DATA - 1) != sizeof DATA - 1) {
            SAY("failed plant cannot write %s\n", plant->path);
            return;
        }
    } else {
        source = one_in(2) ? open("/dev/null", O_RDWR) : socket(AF_UNIX, SOCK_DGRAM, 0);
    }
    if (dup2(source, fd) != fd || fstat(fd, &about) != 0)
        SAY("failed plant dup2\n");
    close(source);
    plant->fd = fd;
    plant->inode = about.st_ino;
    COUNT(PLANTED);
}

static void pull_plant(struct plant *plant)
{
    char found[64] = "";
    struct stat about;
    int file;
    if (plant->fd < 0)
        return;
    if (fstat(plant->fd, &about) != 0 || about.st_ino != plant->inode)
        SAY("failed plant the host's descriptor %d was closed\n", plant->fd);
    else
        close(plant->fd);
    plant->fd = -1;
    if (!plant->is_file)
        return;
    file = open(plant->path, O_RDONLY);
    if (file < 0 || read(file, found, sizeof found) != sizeof DATA - 1 || memcmp(found, DATA, sizeof DATA - 1) != 0)
        SAY("failed plant %s was written to\n", plant->path);
    close(file);
    unlink(plant->path);
}

static struct plant plants[PLANTS];

static int is_planted(int fd)
{
    int i;
    for (i = 0; i < PLANTS; i++)
        if (plants[i].fd == fd)
            return 1;
    return 0;
}

/* One of the library's descriptors: into the store's directory, or a socket. -1 if there is none. */
static int some_descriptor(int or_socket)
{
    DIR *listed = opendir("/proc/self/fd");
    struct dirent *entry;
    int chosen = -1, seen = 0;
    while (listed != NULL && (entry = readdir(listed)) != NULL) {
        char link[300], target[300];
        ssize_t length;
        snprintf(link, sizeof link, "/proc/self/fd/%s", entry->d_name);
        length = readlink(link, target, sizeof target - 1);
        if (length <= 0 || atoi(entry->d_name) < 3)
            continue;
        target[length] = '\0';
        if (strncmp(target, directory, strlen(directory)) != 0 && !(or_socket && strncmp(target, "socket:", 7) == 0))
            continue;
        if (strstr(target, ".log") != NULL || is_planted(atoi(entry->d_name)))
            continue;
        if (one_in((unsigned)++seen))
            chosen = atoi(entry->d_name);
    }
    if (listed != NULL)
        closedir(listed);
    return chosen;
}

static void *vandalise(void *unused)
{
    int turn = 0, i, fd;
    for (i = 0; i < PLANTS; i++)
        plants[i].fd = -1;
    while (!calm()) {
        struct plant *plant = &plants[turn++ % PLANTS];
        /* Between two calls a number gets another owner. At any moment it may be closed. */
        pthread_rwlock_wrlock(&calls);
        pull_plant(plant);
        fd = some_descriptor(1);
        if (fd >= 0 && one_in(2))
            put_plant(plant, fd, turn % PLANTS);
        pthread_rwlock_unlock(&calls);
        sleep_ms((int)(next_random() % 30));
        fd = some_descriptor(turn % 3 == 0);
        /* The effect of a write that is in progress while the disk stalls cannot be prevented: docs/caveats.md. */
        if (__atomic_load_n(&is_stalled, __ATOMIC_RELAXED) != 0)
            fd = -1;
        if (fd >= 0 && one_in(2) && close(fd) == 0)
            COUNT(CLOSED);
        /* At least once, however slow the machine is. */
        if (turn == 1 || one_in(40)) {
            static const long long STEPS_S[] = {0, 10800, -10800, 2592000, -31536000};
            step_s = STEPS_S[next_random() % 5];
            COUNT(STEPS);
        }
        sleep_ms((int)(next_random() % 30));
    }
    pthread_rwlock_wrlock(&calls);
    for (i = 0; i < PLANTS; i++)
        pull_plant(&plants[i]);
    pthread_rwlock_unlock(&calls);
    return unused;
}

static void tell(void)
{
    int i;
    for (i = 0; i < KINDS; i++)
        SAY("did %s %ld\n", names_of[i], __atomic_exchange_n(&did[i], 0, __ATOMIC_RELAXED));
}

int main(int argc, char **argv)
{
    pthread_t threads[GETTERS + 2], vandal;
    struct pollfd in = {STDIN_FILENO, POLLIN, 0};
    struct shim *shim = dlsym(RTLD_DEFAULT, "shim");
    wxtoken_error err;
    long number = 0;
    int i, started = 0;

    if (argc != 3 || shim == NULL || getenv("CHAOS_DIRECTORY") == NULL || getenv("CHAOS_PLANTS") == NULL) {
        SAY("failed start run this as tests/soak/run.py does\n");
        return 2;
    }
    own = argv[1];
    shop = argv[2];
    directory = getenv("CHAOS_DIRECTORY");
    if (wxtoken_init(NULL, &wx, &err) != WXTOKEN_OK || wxtoken_set(wx, "revalidate_ms", "0", &err) != WXTOKEN_OK) {
        SAY("failed init %s\n", err.message);
        return 1;
    }
    shim->wall_step_s = &step_s;
    shim->before = disk;
    started = pthread_create(&vandal, NULL, vandalise, NULL);
    for (i = 0; i < GETTERS; i++)
        started |= pthread_create(&threads[i], NULL, keep_getting, NULL);
    started |= pthread_create(&threads[GETTERS], NULL, keep_registering, &number);
    started |= pthread_create(&threads[GETTERS + 1], NULL, keep_forking, NULL);
    if (started != 0) {
        SAY("failed start no threads: raise the limit\n");
        return 1;
    }
    SAY("ready\n");
    while (poll(&in, 1, TELL_EACH_MS) <= 0)
        tell();
    __atomic_store_n(&is_over, 1, __ATOMIC_RELAXED);
    for (i = 0; i < GETTERS + 2; i++)
        pthread_join(threads[i], NULL);
    __atomic_store_n(&is_calm, 1, __ATOMIC_RELAXED);
    pthread_join(vandal, NULL);
    step_s = 0;
    /* A server that broke two connections off counts as unreachable for a second. */
    for (i = 0; i < BACK_WITHIN_MS / 20; i++) {
        if (get() == WXTOKEN_OK && register_next(&number) == WXTOKEN_OK)
            break;
        sleep_ms(20);
    }
    __atomic_store_n(&is_back, 1, __ATOMIC_RELAXED);
    for (i = 0; i < LAST_ROUNDS; i++) {
        get();
        register_next(&number);
    }
    tell();
    wxtoken_free(wx);
    return 0;
}
