/* The token by SQL, as a program without the library would read it from the same file. */
#ifndef SELECT_H
#define SELECT_H

#include <sqlite3.h>
#include <wxtoken.h>

struct token_query {
    sqlite3 *db;
    sqlite3_stmt *select;
};

/* The strings must outlive the query. */
void open_query(struct token_query *query, const char *store, const char *base_url, const char *appid);
void run_query(struct token_query *query, wxtoken_token *out);
void close_query(struct token_query *query);

#endif
