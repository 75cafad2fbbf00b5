/* The library's calls for programs that stop at the first failure. */
#ifndef STORE_H
#define STORE_H

#include <wxtoken.h>

/* A handle that looks at the store every `revalidate_ms`. */
wxtoken *open_store(const char *store, const char *revalidate_ms);

void get(wxtoken *wx, const char *name, wxtoken_token *out);

#endif
