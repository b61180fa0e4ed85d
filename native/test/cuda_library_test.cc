// Products by cuBLASLt: how they are asked for, on a library that computes on the host and is as strict as the real
// one.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

#include "backend/cuda/library/library_files.h"
#include "backend/cuda/library/library_products.h"
#include "core/error.h"
#include "test/cuda_fixture.h"

namespace burgeon::test {

namespace {

std::unique_ptr<cuda::LibraryProducts> open(cuda::Stream stream, const std::string& plans = "") {
  return cuda::LibraryProducts::open(stream, "a device", BURGEON_CUBLASLT_HOST_LIBRARY, plans);
}

// A variable of the environment for as long as this lives.
class Setting {
 public:
  Setting(const char* name, const std::string& value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    setenv(name, value.c_str(), 1);
  }
  ~Setting() {
    if (before_) {
      setenv(name_, before_->c_str(), 1);
    } else {
      unsetenv(name_);
    }
  }

 private:
  const char* name_;
  std::optional<std::string> before_;
};

class TemporaryFolder {
 public:
  TemporaryFolder() {
    char path[] = "/tmp/burgeon-folder-XXXXXX";
    CHECK(mkdtemp(path));
    path_ = path;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kCuda);
    return error.what();
  }
  return "nothing was thrown";
}

constexpr ScratchShape kNoScratch{1, 1, 1, 1, 1};

// Every product of a step against the reference; `computed` says for each whether the library is to have it.
void check_products(cuda::LibraryProducts& library, CUstream_st& stream, bool computed = true) {
  Random random(81);
  constexpr int64_t n = 24;
  constexpr int64_t rows = 40;
  constexpr int64_t cols = 56;
  constexpr int64_t stride = 48;
  const auto values = [&](int64_t count) { return rounded<bfloat16>(random.normals(count)); };
  const std::vector<Floats> in{values(n * cols),     values(rows * cols), random.normals(rows), values(n * stride),
                               random.normals(cols), values(n * cols),    values(n * rows)};
  std::vector<Memory> m;
  for (size_t i = 0; i < in.size(); ++i) m.emplace_back(in[i], i == 2 || i == 4 ? Element::kFloat : Element::kBfloat16);
  const auto at = [&](size_t i) { return m[i].as<bfloat16>(); };
  Scratch scratch(cuda::linear_bias_gradient_scratch_bytes(n, rows));
  // A sum of 56 products of size 1, a bias of 8 bits, and the rounding of the result.
  const auto near = [](size_t, size_t, double wanted) { return (std::fabs(wanted) + 4) * 2 * rounding_of<bfloat16>; };
  const auto check = [&](const char* name, const std::vector<Output>& outputs, const auto& reference,
                         const std::function<bool(std::vector<Memory>&)>& call) {
    const Note note(name);
    std::vector<Floats> initial;
    for (const Output& output : outputs) initial.push_back(output.initial);
    const Expected expected = run_reference(kNoScratch, in, initial, reference);
    check_kernel(
        expected.outputs, outputs, [&](cuda::Stream, std::vector<Memory>& out) { CHECK(call(out) == computed); }, near);
  };
  for (const bool with_bias : {false, true}) {
    check(
        "expand", {output<bfloat16>(poison(n * stride))},
        [&](auto& ops, OpContext& context, auto& x, auto& out) {
          ops.linear_expand(context, out[0], stride, x[0], x[1], with_bias ? x[2] : nullptr, nullptr, n, rows, cols,
                            0.5);
        },
        [&](auto& out) {
          return library.linear_expand(out[0].template as<bfloat16>(), stride, at(0), at(1),
                                       with_bias ? m[2].as<float>() : nullptr, n, rows, cols, 0.5f);
        });
    check(
        "contract", {output<bfloat16>(poison(n * cols))},
        [&](auto& ops, OpContext& context, auto& x, auto& out) {
          ops.linear_contract(context, out[0], x[3], stride, x[1], with_bias ? x[4] : nullptr,
                              with_bias ? x[5] : nullptr, nullptr, n, rows, cols, 1.5, 2);
        },
        [&](auto& out) {
          return library.linear_contract(out[0].template as<bfloat16>(), at(3), stride, at(1),
                                         with_bias ? m[4].as<float>() : nullptr, with_bias ? at(5) : nullptr, n, rows,
                                         cols, 1.5f, 2);
        });
    for (const double alpha : {0.5, 1.0}) {
      check(
          "weight gradient", {output<float>(random.normals(rows * cols)), output<float>(random.normals(rows))},
          [&](auto& ops, OpContext& context, auto& x, auto& out) {
            ops.linear_weight_gradient(context, out[0], with_bias ? out[1] : nullptr, x[3], stride, x[0], nullptr, n,
                                       rows, cols, alpha, alpha == 1);
          },
          [&](auto& out) {
            return library.linear_weight_gradient(
                out[0].template as<float>(), with_bias ? out[1].template as<float>() : nullptr, at(3), stride, at(0), n,
                rows, cols, static_cast<float>(alpha), alpha == 1 ? 0.0f : 1.0f, scratch.data());
          });
    }
    check(
        "MLP", {output<bfloat16>(poison(n * rows)), output<bfloat16>(poison(n * rows))},
        [&](auto& ops, OpContext& context, auto& x, auto& out) {
          ops.mlp_forward(context, out[0], out[1], x[0], x[1], with_bias ? x[2] : nullptr, nullptr, n, rows, cols);
        },
        [&](auto& out) {
          return library.mlp_forward(out[0].template as<bfloat16>(), out[1].template as<bfloat16>(), at(0), at(1),
                                     with_bias ? m[2].as<float>() : nullptr, n, rows, cols);
        });
  }
  check(
      "MLP backward", {output<bfloat16>(poison(n * rows))},
      [&](auto& ops, OpContext& context, auto& x, auto& out) {
        ops.mlp_backward(context, out[0], x[0], x[6], x[1], nullptr, n, rows, cols, 0.5);
      },
      [&](auto& out) {
        return library.mlp_backward(out[0].template as<bfloat16>(), at(0), at(6), at(1), n, rows, cols, 0.5f);
      });
  static_cast<void>(stream);
}

}  // namespace

TEST(cuda_library_products_match_the_reference) {
  CUstream_st stream{0};
  const auto library = open(&stream);
  CHECK(library->description() == "cuBLASLt 13.0.1");
  check_products(*library, stream);
}

TEST(cuda_library_that_lacks_or_spoils_an_epilogue_is_not_asked_for_it) {
  // GELU with a bias, its slope: products without, then kernels.
  for (const char* variable : {"BURGEON_CUBLASLT_HOST_LACKS", "BURGEON_CUBLASLT_HOST_SPOILS"}) {
    for (const auto& [epilogue, name] : {std::pair{164, ", not for GELU"}, {192, ", not for the slope of GELU"}}) {
      const Setting setting(variable, std::to_string(epilogue));
      const Note note(std::string(variable) + name);
      CUstream_st stream{0};
      const auto library = open(&stream);
      // What is lacking shows with every shape; that the rest of the way is right is seen either way.
      const bool spoils = std::string(variable).find("SPOILS") != std::string::npos;
      CHECK(library->description() == std::string("cuBLASLt 13.0.1") + (spoils ? name : ""));
      check_products(*library, stream);
    }
  }
}

TEST(cuda_library_algorithms_that_are_refused_are_followed_by_the_next_and_by_kernels) {
  const TemporaryFile file;
  for (const int refused : {1, 2, 3}) {  // of three
    for (const std::string& plans : {std::string(), std::string(file.path())}) {
      const Setting setting("BURGEON_CUBLASLT_HOST_REFUSES", std::to_string(refused));
      const Note note(std::to_string(refused) + (plans.empty() ? "" : ", timed"));
      CUstream_st stream{0};
      const auto library = open(&stream, plans);
      if (refused < 3) {
        CHECK(library->description() == "cuBLASLt 13.0.1");
        check_products(*library, stream);
      } else {
        Memory memory(poison(4096), Element::kBfloat16);
        bfloat16* const p = memory.as<bfloat16>();
        CHECK(!library->linear_expand(p, 8, p + 1024, p + 2048, nullptr, 8, 8, 8, 1));
      }
    }
  }
}

TEST(cuda_library_is_looked_for_beside_every_python) {
  const TemporaryFolder folder;
  const std::filesystem::path packages = folder.path() / "lib" / "python3.12" / "site-packages" / "nvidia";
  for (const char* part : {"cu13", "cublas"}) std::filesystem::create_directories(packages / part / "lib");
  std::filesystem::create_directories(folder.path() / "bin");
  std::ofstream(folder.path() / "bin" / "python3");
  const auto finds = [&](const char* part, const char* name) {
    const std::vector<std::string> files = cuda::library_files(cuda::cublaslt::kind());
    return std::find(files.begin(), files.end(), (packages / part / "lib" / name).string()) != files.end();
  };
  CHECK(!finds("cu13", "libcublasLt.so.13"));
  {
    const Setting environment("VIRTUAL_ENV", folder.path().string());
    CHECK(finds("cu13", "libcublasLt.so.13") && finds("cublas", "libcublasLt.so.12"));
    CHECK(!finds("cu12", "libcublasLt.so.12"));
  }
  const std::string path = std::getenv("PATH");
  const Setting beside("PATH", "/nowhere:" + (folder.path() / "bin").string() + ":" + path);
  CHECK(finds("cu13", "libcublasLt.so.13"));
  CHECK(cuda::library_files(cuda::cublaslt::kind()).front() == "libcublasLt.so.13");
}

TEST(cuda_library_leaves_what_does_not_fit_to_kernels) {
  CUstream_st stream{0};
  const auto library = open(&stream);
  Memory memory(poison(4096), Element::kBfloat16);
  bfloat16* const p = memory.as<bfloat16>();
  CHECK(library->linear_expand(p, 8, p + 1024, p + 2048, nullptr, 8, 8, 8, 1));
  CHECK(!library->linear_expand(p + 1, 8, p + 1024, p + 2048, nullptr, 8, 8, 8, 1));
  CHECK(!library->linear_expand(p, 12, p + 1024, p + 2048, nullptr, 8, 12, 8, 1));
  CHECK(!library->linear_expand(p, 8, p + 1024, p + 2048, nullptr, 8, 8, 12, 1));
  CHECK(memory.intact());
}

TEST(cuda_library_plans_are_kept_in_a_file) {
  const TemporaryFile file;
  const auto products = [&] {
    CUstream_st stream{0};
    const auto library = open(&stream, file.path());
    check_products(*library, stream);
  };
  products();
  const std::string first = file.text();
  CHECK(first.find("a device\tcuBLASLt 13.0.1\t1 0 160 96 64 64 64 160 14 4 0 0 256 256 256 256\t") !=
        std::string::npos);
  products();
  CHECK(file.text() == first);  // all were there
  {
    // Of another device: read over. With an algorithm that the library does not know: chosen again.
    std::ofstream changed(file.path());
    changed << "another device\tcuBLASLt 13.0.1\t1\t" << std::string(128, '0') << "\n"
            << "a device\tcuBLASLt 13.0.1\t1 0 160 96 64 64 64 160 14 4 0 0 256 256 256 256\t" << std::string(128, 'f')
            << "\n";
  }
  products();
  {
    std::ofstream changed(file.path(), std::ios::app);
    changed << "and so on\n";
  }
  const std::string message = message_of(products);
  const Note note(message);
  CHECK(message.find(std::string("BURGEON_CUDA_PLANS: ") + file.path() + " is no file of plans: line ") == 0);
  CUstream_st stream{0};
  CHECK(message_of([&] { open(&stream, "/nowhere/plans"); }) ==
        "BURGEON_CUDA_PLANS: /nowhere/plans cannot be read or written");
}

// Which is faster is for a device to say: here the file says it.
TEST(cuda_library_makes_the_gradient_of_a_bias_where_its_plan_says_so) {
  const TemporaryFile file;
  constexpr int64_t n = 24, rows = 40, cols = 56;
  Random random(83);
  const Floats p = rounded<bfloat16>(random.normals(n * rows));
  const Floats q = rounded<bfloat16>(random.normals(n * cols));
  Memory p_in = memory<bfloat16>(p);
  Memory q_in = memory<bfloat16>(q);
  Scratch scratch(cuda::linear_bias_gradient_scratch_bytes(n, rows));
  // Both gradients; from the library's `factor` times as large.
  const auto check = [&](double factor) {
    CUstream_st own{0};
    const auto library = open(&own, file.path());
    const Setting spoilt(factor == 1 ? "BURGEON_UNUSED" : "BURGEON_CUBLASLT_HOST_SPOILS", "512");
    for (const float beta : {0.0f, 1.0f}) {
      const std::vector<Floats> initial{random.normals(rows * cols), random.normals(rows)};
      Expected expected = run_reference(kNoScratch, {p, q}, {Floats(rows * cols), Floats(rows)},
                                        [&](auto& ops, OpContext& context, auto& in, auto& out) {
                                          ops.linear_weight_gradient(context, out[0], out[1], in[0], rows, in[1],
                                                                     nullptr, n, rows, cols, 1, true);
                                        });
      for (size_t which = 0; which < 2; ++which) {
        Doubles& values = expected.outputs[which];
        // What the library spoils has been added to already, but for the bias's.
        for (size_t i = 0; i < values.size(); ++i) {
          const double before = beta * static_cast<double>(initial[which][i]);
          values[i] = which == 0 ? factor * (values[i] + before) : factor * values[i] + before;
        }
      }
      std::vector<Output> outputs;
      for (const Floats& values : initial) {
        outputs.push_back(output<float>(beta == 0 ? poison(static_cast<int64_t>(values.size())) : values));
      }
      check_kernel(
          expected.outputs, outputs,
          [&](cuda::Stream, std::vector<Memory>& out) {
            CHECK(library->linear_weight_gradient(out[0].as<float>(), out[1].as<float>(), p_in.as<bfloat16>(), rows,
                                                  q_in.as<bfloat16>(), n, rows, cols, 1, beta, scratch.data()));
          },
          [](size_t, size_t, double wanted) { return 1e-5 * (std::fabs(wanted) + 30); });
    }
    CHECK(scratch.intact());
  };
  const auto line_of = [&](const char* epilogue) {  // of the product that assigns
    const std::string begin = std::string("a device\tcuBLASLt 13.0.1\t0 1 56 40 24 56 40 56 0 ") + epilogue + " 0 0 ";
    const std::string text = file.text();
    const size_t at = text.find(begin);
    CHECK(at != std::string::npos);
    return text.substr(at, text.find('\n', at) + 1 - at);
  };
  const auto algorithm_of = [](const std::string& line) { return line.substr(line.rfind('\t') + 1); };
  check(1);  // either way
  const std::string alone = line_of("1");
  const std::string both = line_of("512");
  const auto write = [&](const std::string& algorithm) {
    std::string text;
    for (const char* beta : {" 512 0 ", " 512 1 "}) {
      std::string line = both.substr(0, both.rfind('\t') + 1) + algorithm;
      text += line.replace(line.find(" 512 "), 7, beta);
    }
    std::ofstream(file.path()) << text;
  };
  write(algorithm_of(alone));
  check(1);
  check(1.1);  // it is the library's
  const std::string none = std::string(128, '0') + "\n";
  write(none);
  {
    const Setting spoilt("BURGEON_CUBLASLT_HOST_SPOILS", "512");
    check(1);  // it is not
  }
  // What differs from the sums of a kernel, or what there is not, is not asked for.
  for (const char* variable : {"BURGEON_CUBLASLT_HOST_SPOILS", "BURGEON_CUBLASLT_HOST_LACKS"}) {
    std::ofstream(file.path()) << alone;
    const Setting setting(variable, "512");
    check(1);
    if (std::string(variable).find("SPOILS") != std::string::npos) CHECK(algorithm_of(line_of("512")) == none);
  }
}

TEST(cuda_library_that_is_not_there) {
  CUstream_st stream{0};
  CHECK(!cuda::LibraryProducts::open(&stream, "", "off", ""));
  CHECK(message_of([&] { cuda::LibraryProducts::open(&stream, "", "/nowhere/libcublasLt.so", ""); }) ==
        "cuBLASLt was not found (/nowhere/libcublasLt.so)");
  const std::string other = BURGEON_CUDA_HOST_LIBRARY;
  CHECK(message_of([&] { cuda::LibraryProducts::open(&stream, "", other, ""); }) ==
        "cuBLASLt cannot be used: " + other + ": it has no cublasLtCreate");
}

}  // namespace burgeon::test
