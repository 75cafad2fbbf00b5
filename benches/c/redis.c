/* A get that looks at a store on Redis each time, against a bare GET of the token by hiredis. Also hits on two
 * threads.
 *
 *     redis URL SOCKET NAME
 *
 * Prints as a fact the gets per second of two threads with the usual settings, which look at the store every
 * revalidate_ms.
 */
#define _POSIX_C_SOURCE 200809L
/* hiredis.h needs this header in C99. */
#include <sys/time.h>

#include <hiredis/hiredis.h>
#include <pthread.h>
#include <string.h>

#include "bench.h"
#include "store.h"

enum { ROUNDS = 200, PER_ROUND = 20, THREADS = 2, BATCH = 1000 };

static const double SECOND = 1e9;

struct look {
    wxtoken *wx;
    const char *name;
    redisContext *redis;
    wxtoken_token token;
};

static redisReply *ask(struct look *look, const char *command, const char *argument)
{
    redisReply *reply = redisCommand(look->redis, command, argument);
    if (reply == NULL || reply->type == REDIS_REPLY_ERROR)
        fail("hiredis", reply == NULL ? look->redis->errstr : reply->str);
    return reply;
}

static double time_gets(void *argument)
{
    struct look *look = argument;
    double start = now_ns();
    int i;
    for (i = 0; i < PER_ROUND; i++)
        get(look->wx, look->name, &look->token);
    return (now_ns() - start) / PER_ROUND;
}

static double time_bare_gets(void *argument)
{
    struct look *look = argument;
    double start = now_ns();
    int i;
    for (i = 0; i < PER_ROUND; i++) {
        redisReply *reply = ask(look, "GET %s", "access_token");
        if (reply->len != look->token.length)
            fail("hiredis", "another token was given");
        memcpy(look->token.value, reply->str, reply->len);
        freeReplyObject(reply);
    }
    return (now_ns() - start) / PER_ROUND;
}

static void *hit_for_a_second(void *argument)
{
    struct look *look = argument;
    wxtoken_token token;
    static double counts[THREADS];
    static int next;
    double until = now_ns() + SECOND, *count = &counts[__sync_fetch_and_add(&next, 1)];
    int i;
    while (now_ns() < until) {
        for (i = 0; i < BATCH; i++)
            get(look->wx, look->name, &token);
        *count += BATCH;
    }
    return count;
}

int main(int argc, char **argv)
{
    struct look look;
    pthread_t threads[THREADS];
    double gets = 0;
    int i;

    if (argc != 4)
        fail("redis", "URL SOCKET NAME");
    look.name = argv[3];
    look.redis = redisConnectUnix(argv[2]);
    if (look.redis == NULL || look.redis->err != 0)
        fail("hiredis", look.redis == NULL ? "no memory" : look.redis->errstr);
    look.wx = open_store(argv[1], "0");
    get(look.wx, look.name, &look.token);
    freeReplyObject(ask(&look, "SET access_token %s", look.token.value));
    for (i = 0; i < ROUNDS; i++) {
        say_bench("redis-look", undisturbed(time_gets, &look));
        say_bench("redis-bare-get", undisturbed(time_bare_gets, &look));
    }
    wxtoken_free(look.wx);

    look.wx = open_store(argv[1], "1000");
    for (i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, hit_for_a_second, &look))
            fail("redis", "no thread");
    for (i = 0; i < THREADS; i++) {
        void *count;
        pthread_join(threads[i], &count);
        gets += *(double *)count;
    }
    say_fact("redis-gets-a-second-of-2-threads", gets);
    wxtoken_free(look.wx);
    redisFree(look.redis);
    return 0;
}
