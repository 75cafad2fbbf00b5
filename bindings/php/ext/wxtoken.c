/* The module. It does not call libwxtoken before the first request, because PHP-FPM forks in between. */

#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "php_wxtoken.h"

#include <ext/standard/info.h>
#if PHP_VERSION_ID >= 80200
#include <zend_attributes.h>
#endif

ZEND_DECLARE_MODULE_GLOBALS(wxtoken)

/* Does what #[\SensitiveParameter] does in PHP: no stack trace shows the argument. PHP 8.1 has no such attribute. */
void wxtoken_hide_parameter(zend_class_entry *ce, const char *method, uint32_t parameter)
{
#if PHP_VERSION_ID >= 80200
	zend_function *function = zend_hash_str_find_ptr(&ce->function_table, method, strlen(method));
	zend_add_parameter_attribute(function, parameter, ZSTR_KNOWN(ZEND_STR_SENSITIVEPARAMETER), 0);
#else
	(void) ce, (void) method, (void) parameter;
#endif
}

static PHP_MINIT_FUNCTION(wxtoken)
{
	wxtoken_register_failures();
	wxtoken_register_token();
	wxtoken_register_store();
	return SUCCESS;
}

static PHP_MINFO_FUNCTION(wxtoken)
{
	php_info_print_table_start();
	php_info_print_table_row(2, "wxtoken", "enabled");
	php_info_print_table_row(2, "Version", WXTOKEN_VERSION);
	php_info_print_table_row(2, "libwxtoken", wxtoken_version());
	php_info_print_table_end();
}

static PHP_GINIT_FUNCTION(wxtoken)
{
#if defined(ZTS) && defined(COMPILE_DL_WXTOKEN)
	ZEND_TSRMLS_CACHE_UPDATE();
#endif
	memset(wxtoken_globals, 0, sizeof(*wxtoken_globals));
}

static PHP_GSHUTDOWN_FUNCTION(wxtoken)
{
	wxtoken_handles_close_idle(wxtoken_globals->idle);
}

static const zend_module_dep wxtoken_deps[] = {
	ZEND_MOD_REQUIRED("date")
	ZEND_MOD_REQUIRED("json")
	ZEND_MOD_REQUIRED("spl")
	ZEND_MOD_END
};

zend_module_entry wxtoken_module_entry = {
	STANDARD_MODULE_HEADER_EX,
	NULL,
	wxtoken_deps,
	"wxtoken",
	NULL,
	PHP_MINIT(wxtoken),
	NULL,
	NULL,
	NULL,
	PHP_MINFO(wxtoken),
	WXTOKEN_VERSION,
	PHP_MODULE_GLOBALS(wxtoken),
	PHP_GINIT(wxtoken),
	PHP_GSHUTDOWN(wxtoken),
	NULL,
	STANDARD_MODULE_PROPERTIES_EX
};

#ifdef COMPILE_DL_WXTOKEN
#ifdef ZTS
ZEND_TSRMLS_CACHE_DEFINE()
#endif
ZEND_GET_MODULE(wxtoken)
#endif
