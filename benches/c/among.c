/* A hit among many accounts in random order, against a hit in a store with one account. Also the cost of memory
 * alone: copying the token from a random one of as many buffers.
 *
 *     among STORE NAME STORE_OF_MANY FILE_OF_NAMES
 */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "store.h"

enum { ROUNDS = 200, PER_ROUND = 5000 };

static unsigned long state = 88172645463325252UL;

static size_t random_below(size_t end)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (size_t)(state % end);
}

struct among {
    wxtoken *wx;
    char **names;
    char **buffers;
    size_t count;
    unsigned *order;
    size_t size;
};

static void shuffle(const struct among *many)
{
    size_t i;
    for (i = 0; i < PER_ROUND; i++)
        many->order[i] = (unsigned)random_below(many->count);
}

static double time_hits(void *argument)
{
    const struct among *many = argument;
    wxtoken_token token;
    double start;
    int i;

    shuffle(many);
    start = now_ns();
    for (i = 0; i < PER_ROUND; i++)
        get(many->wx, many->names[many->order[i]], &token);
    return (now_ns() - start) / PER_ROUND;
}

static double time_copies(void *argument)
{
    const struct among *many = argument;
    wxtoken_token token;
    double start;
    int i;

    shuffle(many);
    start = now_ns();
    for (i = 0; i < PER_ROUND; i++)
        floor_copy(token.value, many->buffers[many->order[i]], many->size);
    return (now_ns() - start) / PER_ROUND;
}

/* Makes the process know every token, and fills a buffer with each. */
static double warm_up(struct among *many, wxtoken_token *token)
{
    double start = now_ns(), looked;
    size_t i;

    for (i = 0; i < many->count; i++)
        get(many->wx, many->names[i], token);
    looked = (now_ns() - start) / (double)many->count;
    many->buffers = malloc(many->count * sizeof *many->buffers);
    many->order = malloc(PER_ROUND * sizeof *many->order);
    for (i = 0; i < many->count; i++) {
        get(many->wx, many->names[i], token);
        many->buffers[i] = malloc(token->length + 1);
        memcpy(many->buffers[i], token->value, token->length + 1);
    }
    many->size = token->length + 1;
    return looked;
}

int main(int argc, char **argv)
{
    struct among one, many;
    wxtoken_token token;
    char *names[2] = {NULL, NULL}, id[64];
    double looked;
    int i;

    if (argc != 5)
        fail("among", "STORE NAME STORE_OF_MANY FILE_OF_NAMES");
    names[0] = argv[2];
    one.names = names;
    one.count = 1;
    one.wx = open_store(argv[1], "60000");
    many.names = read_lines(argv[4], &many.count);
    many.wx = open_store(argv[3], "60000");
    warm_up(&one, &token);
    looked = warm_up(&many, &token);
    snprintf(id, sizeof id, "first-get-among-%zu-ns", many.count);
    say_fact(id, looked);
    for (i = 0; i < ROUNDS; i++) {
        snprintf(id, sizeof id, "get-of-1-for-%zu", many.count);
        say_bench(id, undisturbed(time_hits, &one));
        snprintf(id, sizeof id, "get-among-%zu", many.count);
        say_bench(id, undisturbed(time_hits, &many));
        snprintf(id, sizeof id, "copy-of-1-for-%zu", many.count);
        say_bench(id, undisturbed(time_copies, &one));
        snprintf(id, sizeof id, "copy-among-%zu", many.count);
        say_bench(id, undisturbed(time_copies, &many));
    }
    wxtoken_free(one.wx);
    wxtoken_free(many.wx);
    return 0;
}
