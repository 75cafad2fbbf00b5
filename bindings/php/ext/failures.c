/* WxTokenException, and a subclass for each status. */

#include "php_wxtoken.h"

#include <ext/spl/spl_exceptions.h>
#include <zend_exceptions.h>

#include <stdarg.h>

static zend_class_entry *ce_failure;
static zend_class_entry *ce_of_status[WXTOKEN_E_INTERNAL + 1];

static const char *const NAMES[] = {
	[WXTOKEN_E_ARGUMENT] = "Argument", [WXTOKEN_E_ACCOUNT] = "Account", [WXTOKEN_E_STORE] = "Store",
	[WXTOKEN_E_SECRET] = "Secret", [WXTOKEN_E_NETWORK] = "Network", [WXTOKEN_E_REPLY] = "Reply", [WXTOKEN_E_API] = "Api",
	[WXTOKEN_E_TIMEOUT] = "Timeout", [WXTOKEN_E_INTERNAL] = "Internal",
};

typedef struct failure {
	zend_string *message;
	zend_long code;
	zend_string *status;
	zend_long errcode;
	zend_long retry_after_ms;
	zval *previous;
} failure;

static void set_property(zend_object *object, zend_class_entry *scope, const char *name, zval *value)
{
	zend_update_property(scope, object, name, strlen(name), value);
}

static void fill(zend_object *object, const failure *failure)
{
	zval value;

	ZVAL_STR(&value, failure->message);
	set_property(object, zend_ce_exception, "message", &value);
	ZVAL_LONG(&value, failure->code);
	set_property(object, zend_ce_exception, "code", &value);
	if (failure->previous) {
		set_property(object, zend_ce_exception, "previous", failure->previous);
	}
	ZVAL_STR(&value, failure->status);
	set_property(object, ce_failure, "status", &value);
	ZVAL_LONG(&value, failure->errcode);
	set_property(object, ce_failure, "errcode", &value);
	ZVAL_LONG(&value, failure->retry_after_ms);
	set_property(object, ce_failure, "retryAfterMs", &value);
}

static void make(zval *object, const failure *failure)
{
	zend_class_entry *ce = ce_failure;

	/* Looked up by name, because this build does not know the number of a newer status. */
	for (int status = WXTOKEN_E_ARGUMENT; status <= WXTOKEN_E_INTERNAL; status++) {
		if (strcmp(ZSTR_VAL(failure->status), wxtoken_status_name(status)) == 0) {
			ce = ce_of_status[status];
		}
	}
	object_init_ex(object, ce);
	fill(Z_OBJ_P(object), failure);
}

static void throw(zend_string *message, int32_t status, int32_t errcode, int64_t retry_after_ms)
{
	const char *name = wxtoken_status_name(status);
	failure failure = { message, status, zend_string_init(name, strlen(name), 0), errcode, retry_after_ms, NULL };
	zval object;

	make(&object, &failure);
	zend_string_release(failure.message);
	zend_string_release(failure.status);
	zend_throw_exception_object(&object);
}

void wxtoken_throw(const wxtoken_error *error)
{
	zend_string *message = zend_string_init(error->message, strlen(error->message), 0);

	throw(message, (int32_t) error->status, error->errcode, error->retry_after_ms);
}

void wxtoken_throw_argument(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	zend_string *message = zend_vstrpprintf(0, format, arguments);
	va_end(arguments);
	throw(message, WXTOKEN_E_ARGUMENT, 0, 0);
}

/* C would read a string only up to its first NUL. */
bool wxtoken_is_text(const char *name, const zend_string *text)
{
	if (memchr(ZSTR_VAL(text), '\0', ZSTR_LEN(text))) {
		wxtoken_throw_argument("%s holds a NUL byte", name);
		return false;
	}
	return true;
}

static ZEND_METHOD(WxTokenException, __construct)
{
	failure failure = { NULL, 0, ZSTR_EMPTY_ALLOC(), 0, 0, NULL };

	ZEND_PARSE_PARAMETERS_START(1, 6)
		Z_PARAM_STR(failure.message)
		Z_PARAM_OPTIONAL
		Z_PARAM_LONG(failure.code)
		Z_PARAM_STR(failure.status)
		Z_PARAM_LONG(failure.errcode)
		Z_PARAM_LONG(failure.retry_after_ms)
		Z_PARAM_OBJECT_OF_CLASS_OR_NULL(failure.previous, zend_ce_throwable)
	ZEND_PARSE_PARAMETERS_END();

	fill(Z_OBJ_P(ZEND_THIS), &failure);
}

static ZEND_METHOD(WxTokenException, of)
{
	failure failure = { NULL, 0, NULL, 0, 0, NULL };

	ZEND_PARSE_PARAMETERS_START(3, 5)
		Z_PARAM_STR(failure.message)
		Z_PARAM_LONG(failure.code)
		Z_PARAM_STR(failure.status)
		Z_PARAM_OPTIONAL
		Z_PARAM_LONG(failure.errcode)
		Z_PARAM_LONG(failure.retry_after_ms)
	ZEND_PARSE_PARAMETERS_END();

	make(return_value, &failure);
}

ZEND_BEGIN_ARG_INFO_EX(arginfo_construct, 0, 0, 1)
	ZEND_ARG_TYPE_INFO(0, message, IS_STRING, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, code, IS_LONG, 0, "0")
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, status, IS_STRING, 0, "\'\'")
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, errcode, IS_LONG, 0, "0")
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, retryAfterMs, IS_LONG, 0, "0")
	ZEND_ARG_OBJ_INFO_WITH_DEFAULT_VALUE(0, previous, Throwable, 1, "null")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_OBJ_INFO_EX(arginfo_of, 0, 3, WxToken\\WxTokenException, 0)
	ZEND_ARG_TYPE_INFO(0, message, IS_STRING, 0)
	ZEND_ARG_TYPE_INFO(0, code, IS_LONG, 0)
	ZEND_ARG_TYPE_INFO(0, status, IS_STRING, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, errcode, IS_LONG, 0, "0")
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, retryAfterMs, IS_LONG, 0, "0")
ZEND_END_ARG_INFO()

static const zend_function_entry METHODS[] = {
	ZEND_ME(WxTokenException, __construct, arginfo_construct, ZEND_ACC_PUBLIC | ZEND_ACC_FINAL)
	ZEND_ME(WxTokenException, of, arginfo_of, ZEND_ACC_PUBLIC | ZEND_ACC_STATIC)
	ZEND_FE_END
};

static void declare_property(const char *name, uint32_t type)
{
	zend_string *property = zend_string_init_interned(name, strlen(name), 1);
	zval unset;

	ZVAL_UNDEF(&unset);
	zend_declare_typed_property(ce_failure, property, &unset, ZEND_ACC_PUBLIC | ZEND_ACC_READONLY, NULL,
		(zend_type) ZEND_TYPE_INIT_MASK(type));
	zend_string_release(property);
}

void wxtoken_register_failures(void)
{
	zend_class_entry ce;

	INIT_CLASS_ENTRY(ce, "WxToken\\WxTokenException", METHODS);
	ce_failure = zend_register_internal_class_ex(&ce, spl_ce_RuntimeException);
	declare_property("status", MAY_BE_STRING);
	declare_property("errcode", MAY_BE_LONG);
	declare_property("retryAfterMs", MAY_BE_LONG);
	for (int status = WXTOKEN_E_ARGUMENT; status <= WXTOKEN_E_INTERNAL; status++) {
		char name[64];
		int length = snprintf(name, sizeof(name), "WxToken\\Exception\\%sException", NAMES[status]);
		INIT_CLASS_ENTRY_EX(ce, name, length, NULL);
		ce_of_status[status] = zend_register_internal_class_ex(&ce, ce_failure);
		ce_of_status[status]->ce_flags |= ZEND_ACC_FINAL;
	}
}
