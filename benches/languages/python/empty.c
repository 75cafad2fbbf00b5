/* Empty calls: the cost of a method in C that takes a name and returns an existing object, with and without the
 * release of the interpreter's lock. */

#define Py_LIMITED_API 0x030a0000
#include <Python.h>

static PyObject *held(PyObject *self, PyObject *const *arguments, Py_ssize_t count, PyObject *keywords)
{
    (void)count, (void)keywords, (void)self;
    Py_INCREF(arguments[0]);
    return arguments[0];
}

static PyObject *released(PyObject *self, PyObject *const *arguments, Py_ssize_t count, PyObject *keywords)
{
    Py_BEGIN_ALLOW_THREADS
    Py_END_ALLOW_THREADS
    return held(self, arguments, count, keywords);
}

static PyMethodDef methods[] = {
    {"held", (PyCFunction)(void (*)(void))held, METH_FASTCALL | METH_KEYWORDS, NULL},
    {"released", (PyCFunction)(void (*)(void))released, METH_FASTCALL | METH_KEYWORDS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {{Py_tp_methods, methods}, {0, NULL}};
static PyType_Spec spec = {.name = "empty.Empty",
                           .basicsize = sizeof(PyObject),
                           .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
                           .slots = slots};

static int execute(PyObject *module)
{
    PyObject *type = PyType_FromSpec(&spec);
    return type == NULL ? -1 : PyModule_AddObject(module, "Empty", type);
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, execute}, {0, NULL}};
static struct PyModuleDef module = {.m_base = PyModuleDef_HEAD_INIT, .m_name = "empty", .m_slots = module_slots};

PyMODINIT_FUNC PyInit_empty(void)
{
    return PyModuleDef_Init(&module);
}
