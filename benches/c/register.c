/* Registers an account in a store and fetches its token.
 *
 *     register STORE NAME ID SECRET
 */
#include <stdio.h>
#include <wxtoken.h>

#include "bench.h"

int main(int argc, char **argv)
{
    wxtoken *wx;
    wxtoken_token token;
    wxtoken_error err;

    if (argc != 5)
        fail("register", "STORE NAME ID SECRET");
    if (wxtoken_init(argv[1], &wx, &err) || wxtoken_register(wx, argv[2], "official", argv[3], argv[4], &err) ||
        wxtoken_get(wx, argv[2], &token, &err))
        fail("register", err.message);
    wxtoken_free(wx);
    return 0;
}
