/* A get that looks at the store each time, against a prepared SELECT of the token by the same key.
 *
 *     revalidate STORE COPY NAME BASE_URL APPID
 *
 * The SELECT runs on a copy of the store: another SQLite must not open a store in a process that uses the library.
 */
#include <sqlite3.h>

#include "bench.h"
#include "select.h"
#include "store.h"

enum { ROUNDS = 200, PER_ROUND = 20 };

struct look {
    wxtoken *wx;
    const char *name;
    struct token_query query;
    wxtoken_token token;
};

static double time_gets(void *argument)
{
    struct look *look = argument;
    double start = now_ns();
    int i;
    for (i = 0; i < PER_ROUND; i++)
        get(look->wx, look->name, &look->token);
    return (now_ns() - start) / PER_ROUND;
}

static double time_selects(void *argument)
{
    struct look *look = argument;
    double start = now_ns();
    int i;
    for (i = 0; i < PER_ROUND; i++)
        run_query(&look->query, &look->token);
    return (now_ns() - start) / PER_ROUND;
}

int main(int argc, char **argv)
{
    struct look look;
    int i;

    if (argc != 6)
        fail("revalidate", "STORE COPY NAME BASE_URL APPID");
    look.wx = open_store(argv[1], "0");
    look.name = argv[3];
    open_query(&look.query, argv[2], argv[4], argv[5]);
    for (i = 0; i < ROUNDS; i++) {
        say_bench("c-revalidate", undisturbed(time_gets, &look));
        say_bench("c-select", undisturbed(time_selects, &look));
    }
    close_query(&look.query);
    wxtoken_free(look.wx);
    return 0;
}
