/* The classes of src/ in C. If this extension is loaded, Composer and preload.php use its classes. */

#ifndef PHP_WXTOKEN_H
#define PHP_WXTOKEN_H

#include <php.h>

#include <wxtoken.h>

/* An open store that no Store has changed since it was opened. The next request may reuse it. */
typedef struct wxtoken_handle {
	wxtoken *wx;
	int64_t opened_ms;
	size_t key_length;
	char key[];
} wxtoken_handle;

enum { WXTOKEN_IDLE_MAX = 8 };

ZEND_BEGIN_MODULE_GLOBALS(wxtoken)
	/* The idle handles of this thread, kept between requests. */
	wxtoken_handle *idle[WXTOKEN_IDLE_MAX];
ZEND_END_MODULE_GLOBALS(wxtoken)

ZEND_EXTERN_MODULE_GLOBALS(wxtoken)
#define WXTOKEN_G(v) ZEND_MODULE_GLOBALS_ACCESSOR(wxtoken, v)

#if defined(ZTS) && defined(COMPILE_DL_WXTOKEN)
ZEND_TSRMLS_CACHE_EXTERN()
#endif

/* handles.c */
wxtoken_handle *wxtoken_handle_open(zend_string *store, HashTable *options);
void wxtoken_handle_give_back(wxtoken_handle *handle);
void wxtoken_handle_close(wxtoken_handle *handle);
void wxtoken_handles_close_idle(wxtoken_handle *idle[WXTOKEN_IDLE_MAX]);

/* store.c */
bool wxtoken_set_option(wxtoken *wx, zend_string *option, zval *value);

/* token.c */
zend_object *wxtoken_token_of(const wxtoken_token *token);
bool wxtoken_token_is(zend_object *token, const wxtoken_token *other);
zend_string *wxtoken_token_value(zend_object *token);
extern zend_class_entry *wxtoken_ce_token;

/* failures.c */
void wxtoken_throw(const wxtoken_error *error);
void wxtoken_throw_argument(const char *format, ...) ZEND_ATTRIBUTE_FORMAT(printf, 1, 2);
bool wxtoken_is_text(const char *name, const zend_string *text);

void wxtoken_register_failures(void);
void wxtoken_register_token(void);
void wxtoken_register_store(void);
void wxtoken_hide_parameter(zend_class_entry *ce, const char *method, uint32_t parameter);

#endif
