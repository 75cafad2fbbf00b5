/* WxToken\Token: a value and its expiry time. */

#include "php_wxtoken.h"

#include <ext/date/php_date.h>
#include <ext/spl/spl_exceptions.h>
#include <zend_exceptions.h>
#include <zend_interfaces.h>

zend_class_entry *wxtoken_ce_token;

static zval *value_of(zend_object *token)
{
	return OBJ_PROP_NUM(token, 0);
}

static zval *end_of(zend_object *token)
{
	return OBJ_PROP_NUM(token, 1);
}

zend_string *wxtoken_token_value(zend_object *token)
{
	return Z_TYPE_P(value_of(token)) == IS_STRING ? Z_STR_P(value_of(token)) : ZSTR_EMPTY_ALLOC();
}

/* Uses UTC explicitly. Without a zone PHP would read the default one from a file, once in each request. */
static void make_end(zval *end, int64_t seconds)
{
	char text[32];
	int length = snprintf(text, sizeof(text), "@%" PRId64, seconds);
	zval zone;

	object_init_ex(&zone, php_date_get_timezone_ce());
	php_timezone_obj *utc = Z_PHPTIMEZONE_P(&zone);
	utc->initialized = true;
	utc->type = TIMELIB_ZONETYPE_OFFSET;
	utc->tzi.utc_offset = 0;
	php_date_instantiate(php_date_get_immutable_ce(), end);
	php_date_initialize(Z_PHPDATE_P(end), text, length, NULL, &zone, 0);
	zval_ptr_dtor(&zone);
}

zend_object *wxtoken_token_of(const wxtoken_token *token)
{
	zend_object *object = zend_objects_new(wxtoken_ce_token);

	object_properties_init(object, wxtoken_ce_token);
	ZVAL_STRINGL(value_of(object), token->value, token->length);
	ZVAL_NULL(end_of(object));
	if (token->expires_at != 0) {
		make_end(end_of(object), token->expires_at);
	}
	return object;
}

bool wxtoken_token_is(zend_object *token, const wxtoken_token *other)
{
	const zend_string *value = Z_STR_P(value_of(token));

	return ZSTR_LEN(value) == other->length && memcmp(ZSTR_VAL(value), other->value, other->length) == 0;
}

static void set_property(zend_object *token, const char *name, zval *value)
{
	zend_update_property(wxtoken_ce_token, token, name, strlen(name), value);
}

static ZEND_METHOD(Token, __construct)
{
	zend_object *token = Z_OBJ_P(ZEND_THIS);
	zend_string *value;
	zval *end, text, null;

	ZEND_PARSE_PARAMETERS_START(2, 2)
		Z_PARAM_STR(value)
		Z_PARAM_OBJECT_OF_CLASS_OR_NULL(end, php_date_get_immutable_ce())
	ZEND_PARSE_PARAMETERS_END();

	ZVAL_STR(&text, value);
	ZVAL_NULL(&null);
	set_property(token, "value", &text);
	if (!EG(exception)) {
		set_property(token, "expiresAt", end ? end : &null);
	}
}

static ZEND_METHOD(Token, __toString)
{
	ZEND_PARSE_PARAMETERS_NONE();
	RETURN_STR_COPY(wxtoken_token_value(Z_OBJ_P(ZEND_THIS)));
}

static ZEND_METHOD(Token, __debugInfo)
{
	zend_object *token = Z_OBJ_P(ZEND_THIS);
	zval end, format;

	ZEND_PARSE_PARAMETERS_NONE();
	ZVAL_NULL(&end);
	if (Z_TYPE_P(end_of(token)) == IS_OBJECT) {
		ZVAL_STRING(&format, "Y-m-d\\TH:i:sP");
		zend_call_method_with_1_params(Z_OBJ_P(end_of(token)), NULL, NULL, "format", &end, &format);
		zval_ptr_dtor(&format);
	}
	array_init(return_value);
	add_assoc_string(return_value, "value", "(hidden)");
	add_assoc_long(return_value, "length", (zend_long) ZSTR_LEN(wxtoken_token_value(token)));
	add_assoc_zval(return_value, "expiresAt", &end);
}

static void refuse(void)
{
	zend_throw_exception(spl_ce_LogicException,
		"a WxToken\\Token is not serializable: ask the store when you need it", 0);
}

static ZEND_METHOD(Token, __serialize)
{
	ZEND_PARSE_PARAMETERS_NONE();
	refuse();
}

static ZEND_METHOD(Token, __unserialize)
{
	zval *properties;

	ZEND_PARSE_PARAMETERS_START(1, 1)
		Z_PARAM_ARRAY(properties)
	ZEND_PARSE_PARAMETERS_END();
	refuse();
}

ZEND_BEGIN_ARG_INFO_EX(arginfo_construct, 0, 0, 2)
	ZEND_ARG_TYPE_INFO(0, value, IS_STRING, 0)
	ZEND_ARG_OBJ_INFO(0, expiresAt, DateTimeImmutable, 1)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_string, 0, 0, IS_STRING, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_array, 0, 0, IS_ARRAY, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_never, 0, 0, IS_NEVER, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_unserialize, 0, 1, IS_NEVER, 0)
	ZEND_ARG_TYPE_INFO(0, properties, IS_ARRAY, 0)
ZEND_END_ARG_INFO()

static const zend_function_entry METHODS[] = {
	ZEND_ME(Token, __construct, arginfo_construct, ZEND_ACC_PUBLIC)
	ZEND_ME(Token, __toString, arginfo_string, ZEND_ACC_PUBLIC)
	ZEND_ME(Token, __debugInfo, arginfo_array, ZEND_ACC_PUBLIC)
	ZEND_ME(Token, __serialize, arginfo_never, ZEND_ACC_PUBLIC)
	ZEND_ME(Token, __unserialize, arginfo_unserialize, ZEND_ACC_PUBLIC)
	ZEND_FE_END
};

static void declare_property(const char *name, zend_type type)
{
	zend_string *property = zend_string_init_interned(name, strlen(name), 1);
	zval unset;

	ZVAL_UNDEF(&unset);
	zend_declare_typed_property(wxtoken_ce_token, property, &unset, ZEND_ACC_PUBLIC | ZEND_ACC_READONLY, NULL, type);
	zend_string_release(property);
}

void wxtoken_register_token(void)
{
	zend_class_entry ce;

	INIT_CLASS_ENTRY(ce, "WxToken\\Token", METHODS);
	wxtoken_ce_token = zend_register_internal_class(&ce);
	wxtoken_ce_token->ce_flags |= ZEND_ACC_FINAL;
	zend_class_implements(wxtoken_ce_token, 1, zend_ce_stringable);
	declare_property("value", (zend_type) ZEND_TYPE_INIT_MASK(MAY_BE_STRING));
	zend_string *date = zend_string_init_interned("DateTimeImmutable", sizeof("DateTimeImmutable") - 1, 1);
	declare_property("expiresAt", (zend_type) ZEND_TYPE_INIT_CLASS(date, 1, 0));
	wxtoken_hide_parameter(wxtoken_ce_token, "__construct", 0);
	wxtoken_hide_parameter(wxtoken_ce_token, "__unserialize", 0);
}
