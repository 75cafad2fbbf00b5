/*
 * Handles that outlive their Store. Opening a handle reads the environment and resolves the path, which costs as much
 * as hundreds of gets.
 *
 * A handle has one Store at a time. It is reused within a second, and only if opening would give an equal one: for the
 * same store and options, in the same environment, and in the same directory if a path is relative. A Store that has
 * set, registered or put something ends its handle, because the library ties these changes to the handle.
 */

#include "php_wxtoken.h"

#include <zend_smart_str.h>

#include <time.h>
#include <unistd.h>

enum { LENT_AGAIN_FOR_MS = 1000 };

extern char **environ;

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Writes the length first, so that no two lists of fields give the same bytes. */
static void append(smart_str *key, const char *text, size_t length)
{
	smart_str_appendl(key, (const char *) &length, sizeof(length));
	smart_str_appendl(key, text, length);
}

static bool is_relative(const char *path)
{
	return path[0] != '\0' && path[0] != '/';
}

static bool names_a_file(const char *option, size_t length)
{
	return length > 5 && strncasecmp(option + length - 5, "_file", 5) == 0;
}

static bool starts_with(const char *text, const char *beginning)
{
	return strncmp(text, beginning, strlen(beginning)) == 0;
}

/* Returns whether the environment contains a relative path. */
static bool append_environment(smart_str *key)
{
	bool relative = false;

	tsrm_env_lock();
	for (char **variable = environ; variable && *variable; variable++) {
		const char *text = *variable;
		if ((text[0] != 'W' && text[0] != 'H' && text[0] != 'X')
			|| (!starts_with(text, "WXTOKEN_") && !starts_with(text, "HOME=") && !starts_with(text, "XDG_STATE_HOME="))) {
			continue;
		}
		size_t name_length = strcspn(text, "=");
		bool is_path = text[0] != 'W' || starts_with(text, "WXTOKEN_STORE=") || names_a_file(text, name_length);
		relative |= is_path && is_relative(text + name_length + 1);
		append(key, text, strlen(text));
	}
	tsrm_env_unlock();
	return relative;
}

/* Builds a key from everything that a new handle depends on. Throws and returns false if an option has an
   unsupported type. */
static bool make_key(smart_str *key, zend_string *store, HashTable *options)
{
	char directory[MAXPATHLEN];
	zend_ulong number;
	zend_string *option;
	zval *value;

	/* Without a store, options and variables, this is the whole key. */
	smart_str_appendc(key, store ? '1' : '0');
	bool relative = append_environment(key) || (store && is_relative(ZSTR_VAL(store)));
	if (options) {
		ZEND_HASH_FOREACH_KEY_VAL(options, number, option, value) {
			ZVAL_DEREF(value);
			if (Z_TYPE_P(value) != IS_STRING && Z_TYPE_P(value) != IS_LONG && Z_TYPE_P(value) != IS_FALSE
				&& Z_TYPE_P(value) != IS_TRUE) {
				zend_type_error("WxToken\\Store::set(): Argument #2 ($value) must be of type string|int|bool, %s given",
					zend_zval_type_name(value));
				return false;
			}
			zend_string *name = option ? zend_string_copy(option) : zend_long_to_str((zend_long) number);
			zend_string *text = Z_TYPE_P(value) == IS_FALSE ? zend_string_copy(ZSTR_CHAR('0')) : zval_get_string(value);
			append(key, ZSTR_VAL(name), ZSTR_LEN(name));
			append(key, ZSTR_VAL(text), ZSTR_LEN(text));
			relative |= names_a_file(ZSTR_VAL(name), ZSTR_LEN(name)) && is_relative(ZSTR_VAL(text));
			zend_string_release(name);
			zend_string_release(text);
		} ZEND_HASH_FOREACH_END();
	}
	if (store) {
		append(key, ZSTR_VAL(store), ZSTR_LEN(store));
	}
	/* getcwd() takes longer than all the rest of this function. */
	if (relative && getcwd(directory, sizeof(directory))) {
		append(key, directory, strlen(directory));
	}
	smart_str_0(key);
	return true;
}

/* Removes and returns the idle handle with this key, or returns NULL. */
static wxtoken_handle *take(const zend_string *key)
{
	for (int at = 0; at < WXTOKEN_IDLE_MAX; at++) {
		wxtoken_handle *handle = WXTOKEN_G(idle)[at];
		if (handle && handle->key_length == ZSTR_LEN(key) && memcmp(handle->key, ZSTR_VAL(key), ZSTR_LEN(key)) == 0) {
			WXTOKEN_G(idle)[at] = NULL;
			if (now_ms() - handle->opened_ms < LENT_AGAIN_FOR_MS) {
				return handle;
			}
			wxtoken_handle_close(handle);
		}
	}
	return NULL;
}

static wxtoken_handle *open_new(const zend_string *key, const zend_string *store, HashTable *options)
{
	wxtoken_error error;
	wxtoken *wx = NULL;
	zend_ulong number;
	zend_string *option;
	zval *value;
	int64_t opened_ms = now_ms();

	if (wxtoken_init(store ? ZSTR_VAL(store) : NULL, &wx, &error) != WXTOKEN_OK) {
		wxtoken_throw(&error);
		return NULL;
	}
	if (options) {
		ZEND_HASH_FOREACH_KEY_VAL(options, number, option, value) {
			zend_string *name = option ? zend_string_copy(option) : zend_long_to_str((zend_long) number);
			ZVAL_DEREF(value);
			bool is_set = wxtoken_set_option(wx, name, value);
			zend_string_release(name);
			if (!is_set) {
				wxtoken_free(wx);
				return NULL;
			}
		} ZEND_HASH_FOREACH_END();
	}
	wxtoken_handle *handle = pemalloc(sizeof(*handle) + ZSTR_LEN(key), 1);
	*handle = (wxtoken_handle) { .wx = wx, .opened_ms = opened_ms, .key_length = ZSTR_LEN(key) };
	memcpy(handle->key, ZSTR_VAL(key), ZSTR_LEN(key));
	return handle;
}

/* Returns NULL if an exception is thrown. */
wxtoken_handle *wxtoken_handle_open(zend_string *store, HashTable *options)
{
	smart_str key = {0};
	wxtoken_handle *handle = NULL;

	if ((!store || wxtoken_is_text("store", store)) && make_key(&key, store, options)) {
		handle = take(key.s);
		if (!handle) {
			handle = open_new(key.s, store, options);
		}
	}
	if (key.s) {
		/* Options may be secret. */
		ZEND_SECURE_ZERO(ZSTR_VAL(key.s), ZSTR_LEN(key.s));
		smart_str_free(&key);
	}
	return handle;
}

/* Keeps the handle. If all places are taken, it replaces the oldest. */
void wxtoken_handle_give_back(wxtoken_handle *handle)
{
	wxtoken_handle **place = &WXTOKEN_G(idle)[0];

	for (int at = 0; at < WXTOKEN_IDLE_MAX && *place; at++) {
		wxtoken_handle **other = &WXTOKEN_G(idle)[at];
		if (!*other || (*other)->opened_ms < (*place)->opened_ms) {
			place = other;
		}
	}
	if (*place) {
		wxtoken_handle_close(*place);
	}
	*place = handle;
}

void wxtoken_handle_close(wxtoken_handle *handle)
{
	wxtoken_free(handle->wx);
	ZEND_SECURE_ZERO(handle->key, handle->key_length);
	pefree(handle, 1);
}

void wxtoken_handles_close_idle(wxtoken_handle *idle[WXTOKEN_IDLE_MAX])
{
	for (int at = 0; at < WXTOKEN_IDLE_MAX; at++) {
		if (idle[at]) {
			wxtoken_handle_close(idle[at]);
			idle[at] = NULL;
		}
	}
}
