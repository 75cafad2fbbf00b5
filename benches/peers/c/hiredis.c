/* The cost of a token from Redis, by hiredis on a kept connection: the floor of everything that uses Redis. Run it
 * under warm.py and with_redis.py. */
#define _POSIX_C_SOURCE 200809L
/* hiredis.h needs this header in C99. */
#include <sys/time.h>

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS 100
#define CALLS 40

static redisContext *redis;

static void fail(const char *what)
{
    fprintf(stderr, "hiredis: %s\n", what);
    exit(1);
}

/* Runs one command with one argument, and returns its reply, which the caller frees. */
static redisReply *ask(const char *command, const char *argument)
{
    redisReply *reply = redisCommand(redis, command, argument);
    if (reply == NULL)
        fail(redis->errstr);
    if (reply->type == REDIS_REPLY_ERROR)
        fail(reply->str);
    return reply;
}

int main(void)
{
    const char *socket = getenv("WXBENCH_REDIS"), *token = getenv("WXBENCH_TOKEN");
    if (socket == NULL || token == NULL)
        fail("run this under warm.py and with_redis.py");
    redis = redisConnectUnix(socket);
    if (redis == NULL || redis->err != 0)
        fail(redis == NULL ? "no memory" : redis->errstr);
    freeReplyObject(ask("SET access_token %s", token));
    for (int round = 0; round < ROUNDS; round++) {
        struct timespec start, end;
        clock_gettime(CLOCK_MONOTONIC, &start);
        for (int i = 0; i < CALLS; i++) {
            redisReply *reply = ask("GET %s", "access_token");
            if (reply->type != REDIS_REPLY_STRING || strcmp(reply->str, token) != 0)
                fail("another token was given");
            freeReplyObject(reply);
        }
        clock_gettime(CLOCK_MONOTONIC, &end);
        double ns = (end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec);
        printf("{\"bench\": \"hiredis\", \"ns\": %.1f}\n", ns / CALLS);
    }
    redisFree(redis);
    return 0;
}
