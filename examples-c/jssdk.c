/* Signs a page's URL for the JS-SDK with the account's jsapi_ticket. Prints the fields that the page passes to
   wx.config, as JSON: appId, timestamp, nonceStr, signature. The SHA-1 and the random numbers come from OpenSSL's
   libcrypto. The secret is needed once, as the store keeps it; see README.md. */
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wxtoken.h>

enum { NONCE = 16, SHA1 = 20 };

static void to_hex(char *hex, const unsigned char *bytes, size_t count)
{
    size_t i;
    for (i = 0; i < count; i++)
        sprintf(hex + 2 * i, "%02x", bytes[i]);
}

/* Writes the signature in hex, over the page's URL without its fragment. Returns 0 on success. */
static int sign(const char *ticket, const char *nonce, const char *timestamp, const char *url, char *signature)
{
    const char *parts[] = {"jsapi_ticket=", ticket, "&noncestr=", nonce, "&timestamp=", timestamp, "&url="};
    unsigned char digest[SHA1];
    EVP_MD_CTX *sha1 = EVP_MD_CTX_new();
    int ok = sha1 != NULL && EVP_DigestInit_ex(sha1, EVP_sha1(), NULL);
    size_t i;

    for (i = 0; ok && i < sizeof parts / sizeof *parts; i++)
        ok = EVP_DigestUpdate(sha1, parts[i], strlen(parts[i]));
    ok = ok && EVP_DigestUpdate(sha1, url, strcspn(url, "#")) && EVP_DigestFinal_ex(sha1, digest, NULL);
    EVP_MD_CTX_free(sha1);
    if (ok)
        to_hex(signature, digest, sizeof digest);
    return ok ? 0 : -1;
}

/* Prints the JSON. Returns 0 on success. The ticket stays here: the page gets only the signature. */
static int print_config(const char *id, const char *ticket, const char *url)
{
    unsigned char random[NONCE];
    char nonce[2 * NONCE + 1], signature[2 * SHA1 + 1], timestamp[24];

    if (RAND_bytes(random, sizeof random) != 1)
        return -1;
    to_hex(nonce, random, sizeof random);
    snprintf(timestamp, sizeof timestamp, "%lld", (long long)time(NULL));
    if (sign(ticket, nonce, timestamp, url, signature) != 0)
        return -1;
    /* Every value has only letters and digits, including an appid or corpid, so nothing is escaped. */
    printf("{\"appId\":\"%s\",\"timestamp\":%s,\"nonceStr\":\"%s\",\"signature\":\"%s\"}\n", id, timestamp, nonce,
           signature);
    return 0;
}

int main(int argc, char **argv)
{
    const char *id = getenv("WXTOKEN_ID");
    const char *secret = getenv("WXTOKEN_SECRET");
    const char *kind = getenv("WXTOKEN_KIND");
    wxtoken *wx = NULL; /* stays NULL if init fails, and wxtoken_free(NULL) does nothing */
    wxtoken_token ticket;
    wxtoken_error err;
    wxtoken_status status;
    int signed_well = 0;

    if (argc != 2 || id == NULL) {
        fputs("usage: WXTOKEN_ID=... jssdk URL   (the page's, exactly as the browser shows it)\n", stderr);
        return 1;
    }
    status = wxtoken_init(NULL, &wx, &err);
    if (status == WXTOKEN_OK && secret != NULL)
        status = wxtoken_register(wx, "demo", kind ? kind : "official", id, secret, &err);
    if (status == WXTOKEN_OK)
        status = wxtoken_get(wx, "demo/jsapi_ticket", &ticket, &err);

    if (status != WXTOKEN_OK)
        fprintf(stderr, "%s\n", err.message);
    else if (print_config(id, ticket.value, argv[1]) != 0)
        fputs("libcrypto gives no random numbers, or no SHA-1\n", stderr);
    else
        signed_well = 1;
    wxtoken_free(wx);
    return signed_well ? 0 : 1;
}
