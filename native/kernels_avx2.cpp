#define ARCH avx2
#define NAME "avx2"
#define REGISTER 32
#include "kernels.inc"
#include "plain.inc"
