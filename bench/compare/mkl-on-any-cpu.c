// MKL, which PyTorch uses for fp32 products and attention, takes slow paths on processors that are not Intel's. Preloaded, this
// overrides the function that asks, so that the comparison also has PyTorch at its fastest.
int mkl_serv_intel_cpu_true(void) { return 1; }
