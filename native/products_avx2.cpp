#define ARCH products_avx2
#define REGISTER 32
#include "products.inc"
