#!/bin/sh
# Build the extension with the address and undefined-behaviour sanitisers and run its tests on it.
# Usage: scripts/sanitize.sh [PYTHON]    (a Python with goodfit's dependencies; needs CMake and GCC or Clang)
set -eu
cd "$(dirname "$0")/.."
python=$("${1:-python}" -c "import sys; print(sys.executable)")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake -S . -B "$work/build" -DPython_EXECUTABLE="$python" -DCMAKE_BUILD_TYPE=RelWithDebInfo \
  -DCMAKE_CXX_FLAGS="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer" >"$work/log"
cmake --build "$work/build" -j2 >>"$work/log" || { cat "$work/log"; exit 1; }

# The package beside the instrumented extension, whatever else is installed.
mkdir "$work/goodfit"
for part in src/goodfit/*; do
  case $part in *_native*) ;; *) ln -s "$PWD/$part" "$work/goodfit/" ;; esac
done
cp "$work"/build/_native*.so "$work/goodfit/"

compiler=$(sed -n 's/^CMAKE_CXX_COMPILER:[A-Z]*=//p' "$work/build/CMakeCache.txt")
# Python itself is not instrumented: the runtimes come first, and what Python never frees is no leak of ours.
LD_PRELOAD="$("$compiler" -print-file-name=libasan.so):$("$compiler" -print-file-name=libstdc++.so.6)" \
  ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 PYTHONPATH="$work" KERAS_BACKEND=jax \
  "$python" -m pytest -q -p no:cacheprovider --capture=sys -k "not runs_out" tests/test_kernels.py tests/test_products.py \
  tests/test_fused.py tests/test_models_draws.py tests/test_models_recurrent.py tests/test_train_plain.py \
  tests/test_ngrams.py  # the sanitiser needs memory of its own
