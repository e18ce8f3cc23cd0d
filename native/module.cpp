// goodfit._native: the C++ kernels, as a Python module.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "xla/ffi/api/ffi.h"

static PyModuleDef definition = {PyModuleDef_HEAD_INIT, "goodfit._native", "C++ kernels.", 0, nullptr, nullptr, nullptr, nullptr, nullptr};

PyMODINIT_FUNC PyInit__native() { return PyModule_Create(&definition); }
