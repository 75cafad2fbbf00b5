/* The first token of a process through the library. Prints the nanoseconds of init + get + free.
 *
 *     first_get STORE NAME
 */
#include <stdio.h>
#include <wxtoken.h>

#include "bench.h"

int main(int argc, char **argv)
{
    wxtoken *wx;
    wxtoken_token token;
    wxtoken_error err;
    double start = now_ns();

    if (argc != 3 || wxtoken_init(argv[1], &wx, &err) || wxtoken_get(wx, argv[2], &token, &err))
        fail("first_get", argc != 3 ? "STORE NAME" : err.message);
    wxtoken_free(wx);
    printf("%.0f\n", now_ns() - start);
    return 0;
}
