#define ARCH products_baseline
#define REGISTER 16
#include "products.inc"
