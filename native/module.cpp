// goodfit._native: the C++ kernels, as a Python module.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "kernels.h"
#include "sparse.h"

namespace {

PyObject* targets(PyObject*, PyObject*) {
  const auto capsule = [](XLA_FFI_Error* (*handler)(XLA_FFI_CallFrame*)) {
    return PyCapsule_New(reinterpret_cast<void*>(handler), nullptr, nullptr);
  };
  return Py_BuildValue("{s:N,s:N,s:N}", "goodfit_product", capsule(goodfit::sparse_product), "goodfit_gradient",
                       capsule(goodfit::sparse_gradient), "goodfit_update", capsule(goodfit::sparse_update));
}

PyObject* instructions(PyObject*, PyObject*) { return PyUnicode_FromString(goodfit::kernels()->name); }

PyMethodDef methods[] = {
    {"targets", targets, METH_NOARGS, "XLA custom calls: name to capsule, for jax.ffi.register_ffi_target."},
    {"instructions", instructions, METH_NOARGS, "The instruction set in use: baseline, avx2 or avx512."},
    {nullptr, nullptr, 0, nullptr},
};

PyModuleDef definition = {PyModuleDef_HEAD_INIT, "goodfit._native", "C++ kernels of goodfit.", 0, methods, nullptr,
                          nullptr,               nullptr,           nullptr};

}  // namespace

PyMODINIT_FUNC PyInit__native() { return PyModule_Create(&definition); }
