# The CPU addon for node-gyp. Sources come from native/sources.json, which CMakeLists.txt reads too. Files that differ by
# instruction set are compiled once per set, each into its own library, and picked at run time.
{
  "variables": {
    "version": "<!(node -p \"require('./package.json').version\")",
  },
  "target_defaults": {
    "cflags_cc": ["-std=c++17", "-O3", "-fno-math-errno", "-ffp-contract=fast", "-fvisibility=hidden", "-Wall", "-Wextra"],
    "cflags_cc!": ["-std=gnu++17", "-std=gnu++20", "-fno-rtti", "-fno-exceptions"],
    "cflags": ["-fPIC"],
    "cflags!": ["-fno-exceptions", "-fno-omit-frame-pointer"],
    "include_dirs": ["native"],
    "xcode_settings": {
      "CLANG_CXX_LANGUAGE_STANDARD": "c++17",
      "GCC_ENABLE_CPP_EXCEPTIONS": "YES",
      "GCC_OPTIMIZATION_LEVEL": "3",
      "MACOSX_DEPLOYMENT_TARGET": "11.0",
      # What Clang makes vectors of by itself is slower (CMakeLists.txt).
      "OTHER_CPLUSPLUSFLAGS": ["-fno-math-errno", "-ffp-contract=fast", "-fno-vectorize", "-fno-slp-vectorize"],
    },
  },
  "targets": [
    {
      "target_name": "burgeon_baseline",
      "type": "static_library",
      "sources": ["<!@(node -p \"require('./native/sources.json').perIsa.join(' ')\")"],
      "defines": ["BURGEON_ISA=baseline"],
    },
    {
      "target_name": "burgeon",
      "sources": [
        "<!@(node -p \"const s = require('./native/sources.json'); [...s.engine, ...s.addon].join(' ')\")",
      ],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": [
        "BURGEON_VERSION=\"<(version)\"",
        "NAPI_VERSION=<(napi_build_version)",
        "NAPI_CPP_EXCEPTIONS",
        # A worker thread that is being terminated takes no exceptions; without this the process would end with it.
        "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS",
      ],
      "dependencies": ["burgeon_baseline"],
      "conditions": [
        ["target_arch=='x64'", {
          "defines": ["BURGEON_X86_ISAS"],
          "dependencies": ["burgeon_avx2", "burgeon_avx512", "burgeon_avx512bf16", "burgeon_amx"],
        }],
      ],
    },
  ],
  "conditions": [
    ["target_arch=='x64'", {
      "targets": [
        {
          "target_name": "burgeon_avx2",
          "type": "static_library",
          "sources": ["<!@(node -p \"require('./native/sources.json').perIsa.join(' ')\")"],
          "defines": ["BURGEON_ISA=avx2"],
          "cflags_cc": ["-mavx2", "-mfma"],
          "xcode_settings": {"OTHER_CPLUSPLUSFLAGS": ["-mavx2", "-mfma"]},
        },
        {
          "target_name": "burgeon_avx512",
          "type": "static_library",
          "sources": ["<!@(node -p \"require('./native/sources.json').perIsa.join(' ')\")"],
          "defines": ["BURGEON_ISA=avx512"],
          "cflags_cc": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma", "-mprefer-vector-width=512"],
          "xcode_settings": {"OTHER_CPLUSPLUSFLAGS": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma"]},
        },
        {
          "target_name": "burgeon_avx512bf16",
          "type": "static_library",
          "sources": ["<!@(node -p \"require('./native/sources.json').perIsa.join(' ')\")"],
          "defines": ["BURGEON_ISA=avx512bf16"],
          "cflags_cc": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx512bf16", "-mfma", "-mprefer-vector-width=512"],
          "xcode_settings": {
            "OTHER_CPLUSPLUSFLAGS": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx512bf16", "-mfma"],
          },
        },
        {
          "target_name": "burgeon_amx",
          "type": "static_library",
          "sources": ["<!@(node -p \"require('./native/sources.json').perIsa.join(' ')\")"],
          "defines": ["BURGEON_ISA=amx"],
          "cflags_cc": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx512bf16", "-mamx-tile", "-mamx-bf16", "-mfma", "-mprefer-vector-width=512"],
          "xcode_settings": {
            "OTHER_CPLUSPLUSFLAGS": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx512bf16", "-mamx-tile", "-mamx-bf16", "-mfma"],
          },
        },
      ],
    }],
  ],
}
