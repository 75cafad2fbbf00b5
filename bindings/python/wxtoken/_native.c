/* Store.token without ctypes. It calls wxtoken_known, and wxtoken_get if that returns no token. If the token is the
   same as last time, it returns the same Token.

   Python code in store.py handles the other cases: names that are not valid, a closed Store, failures, and new
   tokens. The library is not linked, because ctypes has loaded it and passes on the functions' addresses. All state
   is inside objects, so that sub-interpreters share nothing. The limited API is that of Python 3.10, and one build
   serves all later versions. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030a0000
#include <Python.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <structmember.h>

/* tests/test_header.py compares both with wxtoken.h. */
struct error {
    int status;
    int32_t errcode;
    int64_t retry_after_ms;
    char message[496];
};

struct token {
    int64_t expires_at;
    size_t length;
    char value[1024];
};

typedef int get_function(void *wx, const char *name, struct token *out, struct error *err);

/* A Token that was returned before, with the characters of its value. */
typedef struct {
    PyObject *token;
    PyObject *value;
    const char *characters;
    size_t length;
    int64_t expires_at;
} given;

/* A program alternates between few names, such as an access token and a ticket. */
enum { GIVEN = 8 };

typedef struct {
    PyObject_HEAD
    /* The open Handle, or NULL. */
    PyObject *handle;
    void *wx;
    get_function *known;
    get_function *get;
    given given[GIVEN];
} base;

static void forget(given *one)
{
    PyObject *token = one->token, *value = one->value;
    memset(one, 0, sizeof *one);
    Py_XDECREF(token);
    Py_XDECREF(value);
}

static given *place_of(base *self, const struct token *out)
{
    /* The last characters of tokens are random. */
    return &self->given[out->length ? (unsigned char)out->value[out->length - 1] % GIVEN : 0];
}

static PyObject *new_token(base *self, const struct token *out)
{
    given fresh = {.expires_at = out->expires_at};
    fresh.value = PyUnicode_DecodeUTF8(out->value, (Py_ssize_t)out->length, NULL);
    if (fresh.value == NULL)
        return NULL;
    Py_ssize_t length;
    /* The characters live as long as the string. */
    fresh.characters = PyUnicode_AsUTF8AndSize(fresh.value, &length);
    if (fresh.characters != NULL)
        fresh.token =
            PyObject_CallMethod((PyObject *)self, "_new_token", "OL", fresh.value, (long long)out->expires_at);
    if (fresh.token == NULL) {
        Py_DECREF(fresh.value);
        return NULL;
    }
    fresh.length = (size_t)length;
    PyObject *token = fresh.token;
    Py_INCREF(token);
    /* Another thread may have called close() meanwhile. */
    if (self->handle == NULL) {
        forget(&fresh);
        return token;
    }
    given *place = place_of(self, out), before = *place;
    *place = fresh;
    forget(&before);
    return token;
}

static PyObject *token_of(base *self, const struct token *out)
{
    given *known = place_of(self, out);
    if (known->token == NULL || known->expires_at != out->expires_at || known->length != out->length ||
        memcmp(known->characters, out->value, out->length) != 0)
        return new_token(self, out);
    Py_INCREF(known->token);
    return known->token;
}

static PyObject *get(base *self, const char *name)
{
    struct token out;
    struct error err;
    /* wxtoken_known never waits, so other threads need not run meanwhile. */
    if (self->known(self->wx, name, &out, NULL) == 0)
        return token_of(self, &out);
    /* This reference keeps wx open, whatever other threads do meanwhile. */
    PyObject *handle = self->handle;
    Py_INCREF(handle);
    get_function *function = self->get;
    void *wx = self->wx;
    int status;
    /* wxtoken_get may wait for a fetch. */
    Py_BEGIN_ALLOW_THREADS
    status = function(wx, name, &out, &err);
    Py_END_ALLOW_THREADS
    PyObject *result = status == 0 ? token_of(self, &out)
                                   : PyObject_CallMethod((PyObject *)self, "_fail", "iiLy", status, (int)err.errcode,
                                                         (long long)err.retry_after_ms, err.message);
    Py_DECREF(handle);
    return result;
}

/* Returns the only argument, borrowed, or None if it is not given. */
static PyObject *name_in(PyObject *const *arguments, Py_ssize_t count, PyObject *keywords)
{
    Py_ssize_t named = keywords == NULL ? 0 : PyTuple_Size(keywords);
    if (count + named > 1) {
        PyErr_Format(PyExc_TypeError, "Store.token() takes one name (%zd arguments given)", count + named);
        return NULL;
    }
    if (named == 1 && PyUnicode_CompareWithASCIIString(PyTuple_GetItem(keywords, 0), "name") != 0) {
        PyErr_Format(PyExc_TypeError, "Store.token() got an unexpected keyword argument '%U'",
                     PyTuple_GetItem(keywords, 0));
        return NULL;
    }
    return count + named == 1 ? arguments[0] : Py_None;
}

static PyObject *base_token(PyObject *self, PyObject *const *arguments, Py_ssize_t count, PyObject *keywords)
{
    PyObject *name = count == 1 && keywords == NULL ? arguments[0] : name_in(arguments, count, keywords);
    if (name == NULL)
        return NULL;
    const char *text = NULL;
    int plain = ((base *)self)->handle != NULL;
    if (plain && name != Py_None) {
        Py_ssize_t length;
        text = PyUnicode_AsUTF8AndSize(name, &length);
        if (text == NULL)
            PyErr_Clear();
        plain = text != NULL && strlen(text) == (size_t)length;
    }
    if (!plain)
        return PyObject_CallMethod(self, "_token", "(O)", name);
    return get((base *)self, text);
}

static PyObject *base_handle(PyObject *object, void *nothing)
{
    (void)nothing;
    PyObject *handle = ((base *)object)->handle;
    if (handle == NULL)
        handle = Py_None;
    Py_INCREF(handle);
    return handle;
}

static int address_in(PyObject *handle, const char *attribute, void *address)
{
    PyObject *number = PyObject_GetAttrString(handle, attribute);
    if (number == NULL)
        return -1;
    void *found = PyLong_AsVoidPtr(number);
    Py_DECREF(number);
    if (found == NULL) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "the handle is not open");
        return -1;
    }
    memcpy(address, &found, sizeof found);
    return 0;
}

static int set_handle(PyObject *object, PyObject *handle, void *nothing)
{
    (void)nothing;
    base *self = (base *)object;
    void *wx = NULL;
    get_function *known = NULL, *function = NULL;
    if (handle == Py_None)
        handle = NULL;
    if (handle != NULL &&
        (address_in(handle, "address", &wx) < 0 || address_in(handle, "address_of_known", &known) < 0 ||
         address_in(handle, "address_of_get", &function) < 0))
        return -1;
    PyObject *before = self->handle;
    Py_XINCREF(handle);
    self->handle = handle;
    self->wx = wx;
    self->known = known;
    self->get = function;
    for (size_t i = 0; i < GIVEN; i++)
        forget(&self->given[i]);
    /* This comes last, because it may free the old handle, which waits. */
    Py_XDECREF(before);
    return 0;
}

static int traverse(PyObject *object, visitproc visit, void *arg)
{
    base *self = (base *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->handle);
    for (size_t i = 0; i < GIVEN; i++) {
        Py_VISIT(self->given[i].token);
        Py_VISIT(self->given[i].value);
    }
    return 0;
}

static int clear(PyObject *object)
{
    return set_handle(object, Py_None, NULL);
}

static void dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    clear(object);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

/* The docstring of Store.token in store.py. tests/test_native.py compares them. */
PyDoc_STRVAR(
    token_doc,
    "token($self, /, name=None)\n--\n\n"
    "Return a token that is valid now, of an account or of the current one.\n"
    "\n"
    "Asks WeChat once per expiry among all processes on the store, and then blocks for at most ``timeout_ms``. Other\n"
    "Python threads run meanwhile. Call this at each use instead of keeping the token.\n"
    "\n"
    "\"shop/jsapi_ticket\" and \"shop/card_ticket\" are the tickets of the account \"shop\". In WeCom they are\n"
    "\"app/jsapi_ticket\" and \"app/agent_ticket\". The credential that a ticket or an authorizer's token needs is\n"
    "fetched first, within the same ``timeout_ms``. \"customer/refresh_token\" (\".../verify_ticket\",\n"
    "\".../suite_ticket\") returns the secret that was put.\n"
    "\n"
    "Raises any WxTokenError. Its ``retry_after`` says when the next request will be made. Until then every process\n"
    "gets the same failure at once.");

static PyMethodDef methods[] = {
    {"token", (PyCFunction)(void (*)(void))base_token, METH_FASTCALL | METH_KEYWORDS, token_doc},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef properties[] = {
    {"_handle", base_handle, set_handle, "The open Handle, or None for a closed Store.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "The method by which a Store gets its tokens. It is the base class of Store only."},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {Py_tp_traverse, traverse},
    {Py_tp_clear, clear},
    {Py_tp_dealloc, dealloc},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "wxtoken._native.Base",
    .basicsize = sizeof(base),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};

static int execute(PyObject *module)
{
    PyObject *type = PyType_FromSpec(&spec);
    if (type == NULL)
        return -1;
    int failed = PyModule_AddObjectRef(module, "Base", type);
    Py_DECREF(type);
    return failed;
}

/* The slot's number, by which Python 3.12 and later know that a module supports sub-interpreters with their own
   lock. */
enum { MULTIPLE_INTERPRETERS = 3 };
#define PER_INTERPRETER_GIL_SUPPORTED ((void *)2)

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, execute}, {0, NULL}};
static PyModuleDef_Slot later_slots[] = {
    {Py_mod_exec, execute},
    {MULTIPLE_INTERPRETERS, PER_INTERPRETER_GIL_SUPPORTED},
    {0, NULL},
};

static struct PyModuleDef module = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "wxtoken._native",
    .m_doc = "Store.token without ctypes.",
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__native(void)
{
    /* The version begins like "3.12.1 (main, ...". */
    if (atoi(Py_GetVersion() + 2) >= 12)
        module.m_slots = later_slots;
    return PyModuleDef_Init(&module);
}
