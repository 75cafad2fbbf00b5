/* The reflection data of WxToken\Store. A test compares it with src/Store.php. */

ZEND_BEGIN_ARG_INFO_EX(arginfo_construct, 0, 0, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, store, IS_STRING, 1, "null")
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, options, IS_ARRAY, 0, "[]")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_set, 0, 2, IS_VOID, 0)
	ZEND_ARG_TYPE_INFO(0, option, IS_STRING, 0)
	ZEND_ARG_TYPE_MASK(0, value, MAY_BE_STRING | MAY_BE_LONG | MAY_BE_BOOL, NULL)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_register, 0, 3, IS_VOID, 0)
	ZEND_ARG_TYPE_INFO(0, account, IS_STRING, 0)
	ZEND_ARG_TYPE_INFO(0, kind, IS_STRING, 0)
	ZEND_ARG_TYPE_INFO(0, id, IS_STRING, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, secret, IS_STRING, 1, "null")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_put, 0, 2, IS_VOID, 0)
	ZEND_ARG_TYPE_INFO(0, account, IS_STRING, 0)
	ZEND_ARG_TYPE_INFO(0, field, IS_STRING, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, value, IS_STRING, 1, "null")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_setCurrent, 0, 1, IS_VOID, 0)
	ZEND_ARG_TYPE_INFO(0, account, IS_STRING, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_OBJ_INFO_EX(arginfo_token, 0, 0, WxToken\\Token, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, name, IS_STRING, 1, "null")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_reject, 0, 2, IS_VOID, 0)
	ZEND_ARG_TYPE_INFO(0, name, IS_STRING, 1)
	ZEND_ARG_OBJ_TYPE_MASK(0, token, WxToken\\Token, MAY_BE_STRING, NULL)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_array, 0, 0, IS_ARRAY, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_void, 0, 0, IS_VOID, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_string, 0, 0, IS_STRING, 0)
ZEND_END_ARG_INFO()

static const zend_function_entry STORE_METHODS[] = {
	ZEND_ME(Store, __construct, arginfo_construct, ZEND_ACC_PUBLIC)
	ZEND_ME(Store, set, arginfo_set, ZEND_ACC_PUBLIC)
	ZEND_ME(Store, register, arginfo_register, ZEND_ACC_PUBLIC)
	ZEND_ME(Store, put, arginfo_put, ZEND_ACC_PUBLIC)
	ZEND_ME(Store, setCurrent, arginfo_setCurrent, ZEND_ACC_PUBLIC)
	ZEND_ME(Store, token, arginfo_token, ZEND_ACC_PUBLIC)
	ZEND_ME(Store, reject, arginfo_reject, ZEND_ACC_PUBLIC)
	ZEND_ME(Store, report, arginfo_array, ZEND_ACC_PUBLIC)
	ZEND_ME(Store, close, arginfo_void, ZEND_ACC_PUBLIC)
	ZEND_ME(Store, version, arginfo_string, ZEND_ACC_PUBLIC | ZEND_ACC_STATIC)
	ZEND_ME(Store, __debugInfo, arginfo_array, ZEND_ACC_PUBLIC)
	ZEND_FE_END
};
