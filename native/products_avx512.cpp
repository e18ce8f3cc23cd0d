#define ARCH products_avx512
#define REGISTER 64
#include "products.inc"
