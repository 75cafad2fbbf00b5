/* WxToken\Store: each method calls the library. */

#include "php_wxtoken.h"

#include <ext/json/php_json.h>
#include <zend_exceptions.h>
#include <zend_interfaces.h>

typedef struct store {
	wxtoken_handle *handle; /* NULL if closed */
	bool is_changed;
	/* The token that was returned last. The next is usually the same. */
	zend_object *token;
	int64_t ends;
	zend_object std;
} store;

static zend_class_entry *ce_store;
static zend_object_handlers handlers;

static inline store *store_of(zend_object *object)
{
	return (store *) ((char *) object - XtOffsetOf(store, std));
}

static zend_object *create(zend_class_entry *ce)
{
	store *store = zend_object_alloc(sizeof(*store), ce);

	zend_object_std_init(&store->std, ce);
	object_properties_init(&store->std, ce);
	store->std.handlers = &handlers;
	return &store->std;
}

static void close_store(store *store)
{
	wxtoken_handle *handle = store->handle;

	store->handle = NULL;
	if (!handle) {
		return;
	}
	if (store->is_changed) {
		wxtoken_handle_close(handle);
	} else {
		wxtoken_handle_give_back(handle);
	}
}

static void release(zend_object *object)
{
	store *store = store_of(object);

	close_store(store);
	if (store->token) {
		OBJ_RELEASE(store->token);
	}
	zend_object_std_dtor(object);
}

/* Returns this object's handle. Throws and returns NULL if it is closed. */
static wxtoken *open_handle(store *store)
{
	if (UNEXPECTED(!store->handle)) {
		wxtoken_throw_argument("the store is closed");
		return NULL;
	}
	return store->handle->wx;
}

static const char *text_of(const zend_string *text)
{
	return text ? ZSTR_VAL(text) : NULL;
}

static bool is_text(const char *name, const zend_string *text)
{
	return !text || wxtoken_is_text(name, text);
}

/* Returns true, or throws. */
static bool succeeded(wxtoken_status status, const wxtoken_error *error)
{
	if (UNEXPECTED(status != WXTOKEN_OK)) {
		wxtoken_throw(error);
		return false;
	}
	return true;
}

bool wxtoken_set_option(wxtoken *wx, zend_string *option, zval *value)
{
	wxtoken_error error;
	zend_string *text = Z_TYPE_P(value) == IS_FALSE ? zend_string_copy(ZSTR_CHAR('0')) : zval_get_string(value);
	bool is_set = is_text("option", option) && is_text("value", text)
		&& succeeded(wxtoken_set(wx, ZSTR_VAL(option), ZSTR_VAL(text), &error), &error);

	zend_string_release(text);
	return is_set;
}

static ZEND_METHOD(Store, __construct)
{
	store *store = store_of(Z_OBJ_P(ZEND_THIS));
	zend_string *path = NULL;
	HashTable *options = NULL;

	ZEND_PARSE_PARAMETERS_START(0, 2)
		Z_PARAM_OPTIONAL
		Z_PARAM_STR_OR_NULL(path)
		Z_PARAM_ARRAY_HT(options)
	ZEND_PARSE_PARAMETERS_END();

	if (store->handle) {
		zend_throw_error(NULL, "Cannot open a WxToken\\Store that is open");
		return;
	}
	store->handle = wxtoken_handle_open(path, options);
}

static ZEND_METHOD(Store, set)
{
	store *store = store_of(Z_OBJ_P(ZEND_THIS));
	zend_string *option, *text = NULL;
	zend_long number;
	zval *value, converted;
	wxtoken *wx;

	ZEND_PARSE_PARAMETERS_START(2, 2)
		Z_PARAM_STR(option)
		Z_PARAM_ZVAL(value)
	ZEND_PARSE_PARAMETERS_END();

	ZVAL_COPY_VALUE(&converted, value);
	if (Z_TYPE_P(value) != IS_TRUE && Z_TYPE_P(value) != IS_FALSE) {
		if (Z_TYPE_P(value) == IS_NULL || !zend_parse_arg_str_or_long(value, &text, &number, NULL, 0, 2)) {
			if (!EG(exception)) {
				zend_argument_type_error(2, "must be of type string|int|bool, %s given", zend_zval_type_name(value));
			}
			return;
		}
		if (text) {
			ZVAL_STR(&converted, text);
		} else {
			ZVAL_LONG(&converted, number);
		}
	}
	if ((wx = open_handle(store))) {
		store->is_changed = true;
		wxtoken_set_option(wx, option, &converted);
	}
}

static ZEND_METHOD(Store, register)
{
	store *store = store_of(Z_OBJ_P(ZEND_THIS));
	zend_string *account, *kind, *id, *secret = NULL;
	wxtoken_error error;
	wxtoken *wx;

	ZEND_PARSE_PARAMETERS_START(3, 4)
		Z_PARAM_STR(account)
		Z_PARAM_STR(kind)
		Z_PARAM_STR(id)
		Z_PARAM_OPTIONAL
		Z_PARAM_STR_OR_NULL(secret)
	ZEND_PARSE_PARAMETERS_END();

	if ((wx = open_handle(store)) && is_text("account", account) && is_text("kind", kind) && is_text("id", id)
		&& is_text("secret", secret)) {
		store->is_changed = true;
		succeeded(
			wxtoken_register(wx, ZSTR_VAL(account), ZSTR_VAL(kind), ZSTR_VAL(id), text_of(secret), &error), &error);
	}
}

static void put(store *store, zend_string *account, zend_string *field, zend_string *value)
{
	wxtoken_error error;
	wxtoken *wx = open_handle(store);

	if (wx && is_text("account", account) && is_text("field", field) && is_text("value", value)) {
		store->is_changed = true;
		succeeded(wxtoken_put(wx, ZSTR_VAL(account), ZSTR_VAL(field), text_of(value), &error), &error);
	}
}

static ZEND_METHOD(Store, put)
{
	zend_string *account, *field, *value = NULL;

	ZEND_PARSE_PARAMETERS_START(2, 3)
		Z_PARAM_STR(account)
		Z_PARAM_STR(field)
		Z_PARAM_OPTIONAL
		Z_PARAM_STR_OR_NULL(value)
	ZEND_PARSE_PARAMETERS_END();

	put(store_of(Z_OBJ_P(ZEND_THIS)), account, field, value);
}

static ZEND_METHOD(Store, setCurrent)
{
	zend_string *account, *field = zend_string_init("current", sizeof("current") - 1, 0);

	ZEND_PARSE_PARAMETERS_START(1, 1)
		Z_PARAM_STR(account)
	ZEND_PARSE_PARAMETERS_END_EX(zend_string_release(field); return);

	put(store_of(Z_OBJ_P(ZEND_THIS)), account, field, NULL);
	zend_string_release(field);
}

static ZEND_METHOD(Store, token)
{
	store *store = store_of(Z_OBJ_P(ZEND_THIS));
	zend_string *name = NULL;
	wxtoken_token out;
	wxtoken_error error;
	wxtoken *wx;

	ZEND_PARSE_PARAMETERS_START(0, 1)
		Z_PARAM_OPTIONAL
		Z_PARAM_STR_OR_NULL(name)
	ZEND_PARSE_PARAMETERS_END();

	if (!(wx = open_handle(store)) || !is_text("name", name)
		|| !succeeded(wxtoken_get(wx, text_of(name), &out, &error), &error)) {
		return;
	}
	if (!store->token || store->ends != out.expires_at || !wxtoken_token_is(store->token, &out)) {
		zend_object *token = wxtoken_token_of(&out);
		if (store->token) {
			OBJ_RELEASE(store->token);
		}
		store->token = token;
		store->ends = out.expires_at;
	}
	RETURN_OBJ_COPY(store->token);
}

static ZEND_METHOD(Store, reject)
{
	store *store = store_of(Z_OBJ_P(ZEND_THIS));
	zend_string *name, *text;
	zend_object *token;
	wxtoken_error error;
	wxtoken *wx;

	ZEND_PARSE_PARAMETERS_START(2, 2)
		Z_PARAM_STR_OR_NULL(name)
		Z_PARAM_OBJ_OF_CLASS_OR_STR(token, wxtoken_ce_token, text)
	ZEND_PARSE_PARAMETERS_END();

	if (token) {
		text = wxtoken_token_value(token);
	}
	if ((wx = open_handle(store)) && is_text("name", name) && is_text("token", text)) {
		succeeded(wxtoken_reject(wx, text_of(name), ZSTR_VAL(text), &error), &error);
	}
}

static ZEND_METHOD(Store, report)
{
	store *store = store_of(Z_OBJ_P(ZEND_THIS));
	size_t needed = 4096, capacity;
	wxtoken_error error;
	wxtoken_status status;
	wxtoken *wx;
	char *text;

	ZEND_PARSE_PARAMETERS_NONE();
	if (!(wx = open_handle(store))) {
		return;
	}
	/* The report may grow between two calls. */
	do {
		capacity = needed;
		text = emalloc(capacity);
		status = wxtoken_report(wx, text, capacity, &needed, &error);
		if (status == WXTOKEN_OK) {
			php_json_decode_ex(return_value, text, strlen(text), PHP_JSON_OBJECT_AS_ARRAY | PHP_JSON_THROW_ON_ERROR, 512);
		}
		efree(text);
	} while (status == WXTOKEN_E_ARGUMENT && needed > capacity);
	succeeded(status, &error);
}

static ZEND_METHOD(Store, close)
{
	ZEND_PARSE_PARAMETERS_NONE();
	close_store(store_of(Z_OBJ_P(ZEND_THIS)));
}

static ZEND_METHOD(Store, version)
{
	ZEND_PARSE_PARAMETERS_NONE();
	RETURN_STRING(wxtoken_version());
}

static ZEND_METHOD(Store, __debugInfo)
{
	ZEND_PARSE_PARAMETERS_NONE();
	array_init(return_value);
	add_assoc_bool(return_value, "open", store_of(Z_OBJ_P(ZEND_THIS))->handle != NULL);
}

#include "store_arginfo.h"

void wxtoken_register_store(void)
{
	zend_class_entry ce;

	INIT_CLASS_ENTRY(ce, "WxToken\\Store", STORE_METHODS);
	ce_store = zend_register_internal_class(&ce);
	ce_store->ce_flags |= ZEND_ACC_FINAL | ZEND_ACC_NOT_SERIALIZABLE | ZEND_ACC_NO_DYNAMIC_PROPERTIES;
	ce_store->create_object = create;
	memcpy(&handlers, zend_get_std_object_handlers(), sizeof(handlers));
	handlers.offset = XtOffsetOf(store, std);
	handlers.free_obj = release;
	/* A copy would give the same handle back twice. */
	handlers.clone_obj = NULL;
	wxtoken_hide_parameter(ce_store, "__construct", 1);
	wxtoken_hide_parameter(ce_store, "set", 1);
	wxtoken_hide_parameter(ce_store, "register", 3);
	wxtoken_hide_parameter(ce_store, "put", 2);
	wxtoken_hide_parameter(ce_store, "reject", 1);
}
