// goodfit._native: the C++ kernels, as a Python module.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <algorithm>
#include <exception>
#include <future>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "amx.h"
#include "kernels.h"
#include "layers.h"
#include "ngrams.h"
#include "optimizer.h"
#include "products.h"
#include "sparse.h"

namespace {

// A handler that tells XLA of memory it did not get: an exception would end the process.
template <XLA_FFI_Error* (*handler)(XLA_FFI_CallFrame*)>
XLA_FFI_Error* guarded(XLA_FFI_CallFrame* frame) {
  try {
    return handler(frame);
  } catch (const std::bad_alloc&) {
    const xla::ffi::Error error(xla::ffi::ErrorCode::kResourceExhausted, "goodfit's kernels did not get the memory");
    return xla::ffi::internal::CreateError(frame->api, error);
  }
}

// A function that tells Python of memory it did not get, and of whatever else was thrown.
template <PyObject* (*function)(PyObject*, PyObject*)>
PyObject* told(PyObject* self, PyObject* args) {
  try {
    return function(self, args);
  } catch (const std::bad_alloc&) {
    return PyErr_NoMemory();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
    return nullptr;
  }
}

// Lets Python's other threads run for as long as it lives.
struct Released {
  Released() : state(PyEval_SaveThread()) {}
  ~Released() { PyEval_RestoreThread(state); }
  Released(const Released&) = delete;
  PyThreadState* state;
};

// Takes Python back for as long as it lives.
struct Held {
  Held() : state(PyGILState_Ensure()) {}
  ~Held() { PyGILState_Release(state); }
  Held(const Held&) = delete;
  PyGILState_STATE state;
};

struct Decref {
  void operator()(PyObject* object) const { Py_DECREF(object); }
};
using Owned = std::unique_ptr<PyObject, Decref>;

PyObject* targets(PyObject*, PyObject*) {
  const std::pair<const char*, XLA_FFI_Error* (*)(XLA_FFI_CallFrame*)> all[] = {
      {"goodfit_product", guarded<goodfit::sparse_product>},
      {"goodfit_gradient", guarded<goodfit::sparse_gradient>},
      {"goodfit_update", guarded<goodfit::sparse_update>},
      {"goodfit_plain_train", guarded<goodfit::plain_train>},
      {"goodfit_plain_evaluate", guarded<goodfit::plain_evaluate>},
      {"goodfit_convolution", guarded<goodfit::convolution>},
      {"goodfit_convolution_input", guarded<goodfit::convolution_input>},
      {"goodfit_convolution_kernel", guarded<goodfit::convolution_kernel>},
      {"goodfit_recurrent", guarded<goodfit::recurrent>},
      {"goodfit_recurrent_gradients", guarded<goodfit::recurrent_gradients>},
      {"goodfit_winograd", guarded<goodfit::winograd>},
      {"goodfit_winograd_gradients", guarded<goodfit::winograd_gradients>},
      {"goodfit_max_pool", guarded<goodfit::max_pool>},
      {"goodfit_max_pool_gradient", guarded<goodfit::max_pool_gradient>},
      {"goodfit_optimizer_step", guarded<goodfit::optimizer_step>},
  };
  PyObject* out = PyDict_New();
  for (const auto& [name, handler] : all) {
    PyObject* capsule = out ? PyCapsule_New(reinterpret_cast<void*>(handler), nullptr, nullptr) : nullptr;
    if (!capsule || PyDict_SetItemString(out, name, capsule) < 0) Py_CLEAR(out);
    Py_XDECREF(capsule);
  }
  return out;
}

PyObject* instructions(PyObject*, PyObject*) {
  return PyUnicode_FromString(goodfit::matrix_product() ? "amx" : goodfit::kernels()->name);
}

PyObject* uniform(PyObject*, PyObject* args) {
  unsigned key0, key1;
  float low, high;
  Py_buffer out;
  if (!PyArg_ParseTuple(args, "IIffw*", &key0, &key1, &low, &high, &out)) return nullptr;
  {
    const Released released;
    goodfit::products().uniform(key0, key1, low, high, int64_t(out.len / sizeof(float)), static_cast<float*>(out.buf));
  }
  PyBuffer_Release(&out);
  Py_RETURN_NONE;
}

// The texts of a tuple of str and None; the tuple keeps them alive. Sets a Python error and returns false on others.
bool texts_of(PyObject* tuple, std::vector<goodfit::Text>* texts) {
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); ++i) {
    PyObject* item = PyTuple_GET_ITEM(tuple, i);
    if (item == Py_None) {
      texts->push_back({nullptr, 0, 1, true});
    } else if (PyUnicode_Check(item)) {
      texts->push_back({PyUnicode_DATA(item), PyUnicode_GET_LENGTH(item), PyUnicode_KIND(item),
                        bool(PyUnicode_IS_ASCII(item))});
    } else {
      PyErr_Format(PyExc_TypeError, "texts must be str or None, not %.50s", Py_TYPE(item)->tp_name);
      return false;
    }
  }
  return true;
}

PyObject* arrays(const std::vector<goodfit::Counts>& parts, size_t texts) {
  size_t entries = 0;
  for (const auto& part : parts) entries += part.columns.size();
  if (entries > INT32_MAX) {
    PyErr_SetString(PyExc_OverflowError, "more than 2**31 counts");
    return nullptr;
  }
  const auto array = [](size_t bytes) {
    Owned made(PyByteArray_FromStringAndSize(nullptr, Py_ssize_t(bytes)));
    if (made) goodfit::prefer_huge_pages(PyByteArray_AS_STRING(made.get()), bytes);
    return made;
  };
  const Owned indptr = array((texts + 1) * 4), indices = array(entries * 4), values = array(entries * 4);
  if (!indptr || !indices || !values) return nullptr;
  {
    auto* p = reinterpret_cast<int32_t*>(PyByteArray_AS_STRING(indptr.get()));
    auto* i = reinterpret_cast<int32_t*>(PyByteArray_AS_STRING(indices.get()));
    auto* v = reinterpret_cast<float*>(PyByteArray_AS_STRING(values.get()));
    const Released released;
    goodfit::join(parts, p, i, v);
  }
  return Py_BuildValue("OOO", indptr.get(), indices.get(), values.get());
}

// The n-grams' texts.
Owned spelled(const goodfit::Vocabulary& vocabulary) {
  const auto& tokens = vocabulary.tokens;
  std::vector<char> ascii(tokens.size());
  for (uint32_t id = 0; id < tokens.size(); ++id)
    ascii[id] = std::all_of(tokens.name(id).begin(), tokens.name(id).end(), [](char c) { return (c & 0x80) == 0; });
  Owned list(PyList_New(Py_ssize_t(vocabulary.grams.size())));
  std::string text;
  for (size_t i = 0; list && i < vocabulary.grams.size(); ++i) {
    text.clear();
    bool plain = true;
    for (uint32_t token : vocabulary.grams[i]) {
      if (token == goodfit::kNone) break;
      if (!text.empty()) text += ' ';
      text += tokens.name(token);
      plain &= bool(ascii[token]);
    }
    PyObject* s = plain ? PyUnicode_New(Py_ssize_t(text.size()), 127)
                        : PyUnicode_DecodeUTF8(text.data(), Py_ssize_t(text.size()), nullptr);
    if (s && plain) std::copy(text.begin(), text.end(), reinterpret_cast<char*>(PyUnicode_1BYTE_DATA(s)));
    if (!s) list.reset();
    else PyList_SET_ITEM(list.get(), Py_ssize_t(i), s);
  }
  return list;
}

// A vocabulary that Python holds: the tokens that `lookup` refers to, and `lookup`.
struct Known {
  goodfit::Vocabulary vocabulary;
  std::unique_ptr<goodfit::Lookup> lookup;
};
constexpr const char* kKnown = "goodfit vocabulary";

PyObject* capsule_of(std::unique_ptr<Known> known) {
  const auto free = [](PyObject* capsule) { delete static_cast<Known*>(PyCapsule_GetPointer(capsule, kKnown)); };
  return PyCapsule_New(known.release(), kKnown, free);
}

PyObject* fit(PyObject*, PyObject* args) {
  PyObject* tuple;
  goodfit::NgramOptions o{};
  long long most;
  if (!PyArg_ParseTuple(args, "O!iiLdd", &PyTuple_Type, &tuple, &o.low, &o.high, &most, &o.min_df, &o.max_df))
    return nullptr;
  o.max_features = most;
  std::vector<goodfit::Text> texts;
  if (!texts_of(tuple, &texts)) return nullptr;
  const size_t rows = texts.size();
  goodfit::Vocabulary vocabulary;
  goodfit::Reading reading;
  {
    const Released released;
    bool first = true;
    goodfit::choose([&](std::vector<goodfit::Text>& out) { return out.swap(texts), std::exchange(first, false); }, o,
                    vocabulary, &reading);
  }
  auto counting = std::async([&] { return goodfit::count(reading, vocabulary, o); });
  const Owned list = spelled(vocabulary);
  std::vector<goodfit::Counts> parts;
  {
    const Released released;
    parts = counting.get();
  }
  const Owned counts(list ? arrays(parts, rows) : nullptr);
  return counts ? Py_BuildValue("OO", list.get(), counts.get()) : nullptr;
}

PyObject* choose(PyObject*, PyObject* args) {
  PyObject* blocks;
  goodfit::NgramOptions o{};
  long long most;
  if (!PyArg_ParseTuple(args, "OiiLdd", &blocks, &o.low, &o.high, &most, &o.min_df, &o.max_df)) return nullptr;
  o.max_features = most;
  const Owned iterator(PyObject_GetIter(blocks));
  Owned block;
  if (!iterator) return nullptr;
  auto known = std::make_unique<Known>();
  const auto next = [&](std::vector<goodfit::Text>& texts) {
    const Held held;
    texts.clear();
    block.reset();
    block.reset(PyIter_Next(iterator.get()));
    if (block && !PyTuple_Check(block.get())) PyErr_SetString(PyExc_TypeError, "blocks of texts must be tuples");
    return block && !PyErr_Occurred() && texts_of(block.get(), &texts);
  };
  {
    const Released released;
    goodfit::choose(next, o, known->vocabulary);
  }
  if (PyErr_Occurred()) return nullptr;
  auto building = std::async([&] { return std::make_unique<goodfit::Lookup>(known->vocabulary, o.low, o.high); });
  const Owned list = spelled(known->vocabulary);
  {
    const Released released;
    known->lookup = building.get();
  }
  const Owned capsule(list ? capsule_of(std::move(known)) : nullptr);
  return capsule ? Py_BuildValue("OO", list.get(), capsule.get()) : nullptr;
}

PyObject* known(PyObject*, PyObject* args) {
  PyObject* grams;
  int low, high;
  if (!PyArg_ParseTuple(args, "O!ii", &PyTuple_Type, &grams, &low, &high)) return nullptr;
  auto known = std::make_unique<Known>();
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(grams); ++i) {
    Py_ssize_t size;
    const char* data = PyUnicode_AsUTF8AndSize(PyTuple_GET_ITEM(grams, i), &size);
    if (!data) return nullptr;
    goodfit::add({data, size_t(size)}, known->vocabulary);
  }
  known->lookup = std::make_unique<goodfit::Lookup>(known->vocabulary, low, high);
  return capsule_of(std::move(known));
}

PyObject* count(PyObject*, PyObject* args) {
  PyObject *tuple, *capsule;
  if (!PyArg_ParseTuple(args, "O!O", &PyTuple_Type, &tuple, &capsule)) return nullptr;
  const auto* known = static_cast<const Known*>(PyCapsule_GetPointer(capsule, kKnown));
  std::vector<goodfit::Text> texts;
  if (!known || !texts_of(tuple, &texts)) return nullptr;
  std::vector<goodfit::Counts> parts;
  {
    const Released released;
    parts = goodfit::count(texts, *known->lookup);
  }
  return arrays(parts, texts.size());
}

PyMethodDef methods[] = {
    {"targets", targets, METH_NOARGS, "XLA custom calls: name to capsule, for jax.ffi.register_ffi_target."},
    {"instructions", instructions, METH_NOARGS, "The instruction set in use: baseline, avx2, avx512 or amx."},
    {"uniform", uniform, METH_VARARGS,
     "(key0, key1, low, high, array): fill a float32 array as jax.random.uniform does."},
    {"fit", told<fit>, METH_VARARGS,
     "(texts, low, high, max_features, min_df, max_df): the n-grams to keep, and their counts as `count` has them."},
    {"choose", told<choose>, METH_VARARGS,
     "(blocks of texts, low, high, max_features, min_df, max_df): the n-grams to keep, and a vocabulary of them."},
    {"known", told<known>, METH_VARARGS, "(n-grams, low, high): a vocabulary of those of low to high tokens."},
    {"count", told<count>, METH_VARARGS, "(texts, vocabulary): indptr, indices, values as bytes."},
    {nullptr, nullptr, 0, nullptr},
};

PyModuleDef definition = {PyModuleDef_HEAD_INIT, "goodfit._native", "C++ kernels of goodfit.", 0, methods, nullptr,
                          nullptr,               nullptr,           nullptr};

}  // namespace

PyMODINIT_FUNC PyInit__native() { return PyModule_Create(&definition); }
