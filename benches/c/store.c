/* Implements store.h. */
#include "bench.h"
#include "store.h"

wxtoken *open_store(const char *store, const char *revalidate_ms)
{
    wxtoken *wx;
    wxtoken_error err;
    if (wxtoken_init(store, &wx, &err) || wxtoken_set(wx, "revalidate_ms", revalidate_ms, &err))
        fail("wxtoken_init", err.message);
    return wx;
}

void get(wxtoken *wx, const char *name, wxtoken_token *out)
{
    wxtoken_error err;
    if (wxtoken_get(wx, name, out, &err))
        fail("wxtoken_get", err.message);
}
