#define ARCH baseline
#define NAME "baseline"
#define REGISTER 16
#include "kernels.inc"
#include "plain.inc"
