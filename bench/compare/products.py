# The rivals' side of products.ts: one matrix product of OpenBLAS, oneDNN or MKL, operands ready, results checked before
# they are timed. oneDNN and MKL are those inside PyTorch's wheel; ONEDNN_VERBOSE=1 shows that oneDNN's kernels run.
# usage: products.py openblas|onednn|mkl

import ctypes
import ctypes.util
import glob
import os
import sys
import time

import numpy as np
from respond import respond

library = sys.argv[1]
run_product = None

# w is (rows, columns), tokens come first in activations, so for each kind: shapes of a, b and the result c, which of a
# and b are transposed, and which dimension is summed over.
KINDS = {
    "expand": (("tokens", "columns"), ("rows", "columns"), ("tokens", "rows"), (False, True), "columns"),
    "contract": (("tokens", "rows"), ("rows", "columns"), ("tokens", "columns"), (False, False), "rows"),
    "weight_gradient": (("tokens", "rows"), ("tokens", "columns"), ("rows", "columns"), (True, False), "tokens"),
}


def make_operands(product):
    """a, b uniform in [-0.5, 0.5), rounded to bf16 where that is asked for; c zero, all fp32."""
    random = np.random.default_rng(1)
    a, b, c = ([product[name] for name in shape] for shape in KINDS[product["kind"]][:3])
    a, b = (random.random(shape, dtype=np.float32) - np.float32(0.5) for shape in (a, b))
    if product["precision"] == "bf16":
        a, b = (from_bf16(to_bf16(x)) for x in (a, b))
    return a, b, np.zeros(c, np.float32)


def to_bf16(x):
    return (x.view(np.uint32) >> 16).astype(np.uint16)


def from_bf16(x):
    return (x.astype(np.uint32) << 16).view(np.float32)


def check(product, a, b, c):
    """Some elements against sums in double."""
    (trans_a, trans_b), depth = KINDS[product["kind"]][3], product[KINDS[product["kind"]][4]]
    for i, j in ((0, 0), (c.shape[0] // 2, c.shape[1] // 3), (c.shape[0] - 1, c.shape[1] - 1)):
        expected = np.dot(
            (a[:, i] if trans_a else a[i]).astype(np.float64), (b[j] if trans_b else b[:, j]).astype(np.float64)
        )
        if not abs(c[i, j] - expected) <= 1e-2 * abs(expected) + 1e-4 * depth**0.5:
            raise RuntimeError(f"wrong result: {c[i, j]} instead of {expected}")


def pointer_gemm(function, integer, product, a, b, c):
    """A call of cblas_sgemm or one of its bf16 kin; the weight gradient adds, the others assign."""
    trans_a, trans_b = KINDS[product["kind"]][3]
    depth = product[KINDS[product["kind"]][4]]
    number, address = ctypes.c_float, ctypes.c_void_p
    layout, enum = 101, ctypes.c_int
    function.argtypes = [enum, enum, enum, integer, integer, integer, number, address, integer, address, integer]
    function.argtypes += [number, address, integer]
    function.restype = None
    arguments = [layout, 112 if trans_a else 111, 112 if trans_b else 111, c.shape[0], c.shape[1], depth, 1.0]
    arguments += [a.ctypes.data, a.shape[1], b.ctypes.data, b.shape[1]]
    arguments += [1.0 if product["kind"] == "weight_gradient" else 0.0, c.ctypes.data, c.shape[1]]
    return lambda: function(*arguments)


def prepare_openblas(product):
    lib, prefix, suffix = open_openblas()
    name = "cblas_sgemm" if product["precision"] == "fp32" else "cblas_sbgemm"
    function = getattr(lib, f"{prefix}{name}{suffix}", None)
    if function is None:
        raise RuntimeError(f"this build of OpenBLAS has no {name}")
    getattr(lib, f"{prefix}openblas_set_num_threads{suffix}")(product["threads"])
    a, b, c = make_operands(product)
    sources = (a, b) if product["precision"] == "fp32" else (to_bf16(a), to_bf16(b))
    run = pointer_gemm(function, ctypes.c_int64 if suffix else ctypes.c_int, product, *sources, c)
    run()
    check(product, a, b, c)

    def text(query):
        function = getattr(lib, f"{prefix}openblas_get_{query}{suffix}")
        function.restype = ctypes.c_char_p
        return function().decode()

    return (sources, c, run), {"version": " ".join(text("config").split()[:2]), "note": text("corename")}


def open_openblas():
    """The system's, else the one in numpy's wheel. Returns it with the prefix and suffix of its names."""
    name = ctypes.util.find_library("openblas") or "libopenblas.so.0"
    try:
        return ctypes.CDLL(name), "", ""
    except OSError:
        bundled = os.path.join(os.path.dirname(os.path.dirname(np.__file__)), "numpy.libs", "libscipy_openblas64_*")
        paths = glob.glob(bundled)
        if not paths:
            raise RuntimeError("OpenBLAS was not found: install libopenblas0-pthread or numpy's wheel") from None
        return ctypes.CDLL(paths[0]), "scipy_", "64_"


def prepare_onednn(product):
    import torch

    torch.set_num_threads(product["threads"])
    a, b, c = make_operands(product)
    kind = product["kind"]
    x, y = torch.from_numpy(a), torch.from_numpy(b)
    if product["precision"] == "bf16":
        # torch.mm is oneDNN's for bf16. Its result is bf16 too, so the weight gradient is not added to anything.
        trans_a, trans_b = KINDS[kind][3]
        x, y = x.bfloat16(), y.bfloat16()
        out = torch.empty(c.shape, dtype=torch.bfloat16)
        left, right = x.t() if trans_a else x, y.t() if trans_b else y

        def run():
            torch.mm(left, right, out=out)
            return out

    else:
        # torch.mm is MKL's for fp32; these are oneDNN's own linear layer and its two gradients. They allocate their
        # results, which costs next to nothing under the tuned allocator, and the weight gradient is not added.
        aten = torch.ops.aten
        if kind == "expand":
            dense = x.to_mkldnn()
            run = lambda: aten.mkldnn_linear(dense, y, None)
        elif kind == "contract":
            dense, size = x.to_mkldnn(), list(c.shape)
            run = lambda: aten.mkldnn_linear_backward_input(size, dense, y)
        else:
            dense, other = x.to_mkldnn(), y.to_mkldnn()
            weight = torch.empty(c.shape)
            run = lambda: aten.mkldnn_linear_backward_weights(dense, other, weight, False)[0]
    result = run()
    check(product, a, b, (result.to_dense() if result.is_mkldnn else result).float().numpy())
    config = torch.__config__.show()
    version = config[config.index("MKL-DNN v") + 8 :].split()[0]
    return (x, y, run), {"version": f"oneDNN {version}", "note": f"torch {torch.__version__}"}


def prepare_mkl(product):
    import torch

    torch.set_num_threads(product["threads"])
    a, b, c = make_operands(product)
    x, y, out = torch.from_numpy(a), torch.from_numpy(b), torch.from_numpy(c)
    if product["precision"] == "bf16":
        lib = ctypes.CDLL(os.path.join(os.path.dirname(torch.__file__), "lib", "libtorch_cpu.so"))
        function = getattr(lib, "cblas_gemm_bf16bf16f32", None)
        if function is None:
            raise RuntimeError("this build of PyTorch has no MKL product of bf16")
        sources = to_bf16(a), to_bf16(b)
        run = pointer_gemm(function, ctypes.c_int, product, *sources, c)
    else:
        trans_a, trans_b = KINDS[product["kind"]][3]
        sources = x.t() if trans_a else x, y.t() if trans_b else y
        if product["kind"] == "weight_gradient":
            run = lambda: out.addmm_(*sources)
        else:
            run = lambda: torch.mm(*sources, out=out)
    run()
    check(product, a, b, c)
    config = torch.__config__.show()
    version = config[config.index("Math Kernel Library Version") + 28 :].split("-")[0]
    return (sources, c, run), {"version": f"MKL {version}", "note": f"torch {torch.__version__}"}


def prepare(message):
    global run_product
    run_product = None  # frees the last one's operands first
    prepare_library = {"openblas": prepare_openblas, "onednn": prepare_onednn, "mkl": prepare_mkl}[library]
    run_product, about = prepare_library(message["product"])
    return about


def go(message):
    run = run_product[-1]
    count = message.get("steps", 1)
    start = time.perf_counter()
    for _ in range(count):
        run()
    return {"ms": 1000 * (time.perf_counter() - start) / count}


respond(prepare, go)
