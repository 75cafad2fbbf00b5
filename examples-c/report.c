/* Prints the report on every account and token of the store as JSON, for people and monitors. */
#include <stdio.h>
#include <stdlib.h>
#include <wxtoken.h>

/* Returns the report in memory that the caller must free, or NULL on failure. */
static char *report(wxtoken *wx, wxtoken_error *err)
{
    char *json = NULL;
    size_t cap = 0;
    size_t needed = 0;

    /* The first round asks for the size. Another follows if the report has grown meanwhile. */
    while (wxtoken_report(wx, json, cap, &needed, err) != WXTOKEN_OK) {
        char *larger = needed > cap ? (char *)realloc(json, needed) : NULL;
        if (larger == NULL) {
            free(json);
            return NULL;
        }
        json = larger;
        cap = needed;
    }
    return json;
}

int main(void)
{
    wxtoken *wx = NULL;
    wxtoken_error err;
    char *json = NULL;

    if (wxtoken_init(NULL, &wx, &err) == WXTOKEN_OK)
        json = report(wx, &err);
    if (json != NULL)
        puts(json);
    else
        fprintf(stderr, "%s\n", err.message);
    free(json);
    wxtoken_free(wx);
    return json != NULL ? 0 : 1;
}
