/* The first token of a process through SQLite alone. Prints the nanoseconds of open + SELECT + close.
 *
 *     first_select STORE BASE_URL APPID
 */
#include <stdio.h>

#include "bench.h"
#include "select.h"

int main(int argc, char **argv)
{
    struct token_query query;
    wxtoken_token token;
    double start = now_ns();

    if (argc != 4)
        fail("first_select", "STORE BASE_URL APPID");
    open_query(&query, argv[1], argv[2], argv[3]);
    run_query(&query, &token);
    close_query(&query);
    printf("%.0f\n", now_ns() - start);
    return 0;
}
