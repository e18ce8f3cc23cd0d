#define ARCH avx512
#define NAME "avx512"
#define REGISTER 64
#include "kernels.inc"
#include "plain.inc"
