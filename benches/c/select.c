/* Implements select.h. */
#include <string.h>

#include "bench.h"
#include "select.h"

void open_query(struct token_query *query, const char *store, const char *base_url, const char *appid)
{
    static const char sql[] = "SELECT access_token, expires_at FROM weixin_token"
                              " WHERE endpoint = 'stable_token' AND base_url = ? AND appid = ? AND fingerprint = ''";
    if (sqlite3_open(store, &query->db) || sqlite3_prepare_v2(query->db, sql, -1, &query->select, NULL) ||
        sqlite3_bind_text(query->select, 1, base_url, -1, SQLITE_STATIC) ||
        sqlite3_bind_text(query->select, 2, appid, -1, SQLITE_STATIC))
        fail(store, sqlite3_errmsg(query->db));
}

void run_query(struct token_query *query, wxtoken_token *out)
{
    if (sqlite3_step(query->select) != SQLITE_ROW)
        fail("SELECT", sqlite3_errmsg(query->db));
    out->length = (size_t)sqlite3_column_bytes(query->select, 0);
    memcpy(out->value, sqlite3_column_text(query->select, 0), out->length + 1);
    out->expires_at = sqlite3_column_int64(query->select, 1) / 1000;
    sqlite3_reset(query->select);
}

void close_query(struct token_query *query)
{
    sqlite3_finalize(query->select);
    sqlite3_close(query->db);
}
