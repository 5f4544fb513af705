{
  'variables': {
    # Set by scripts/build.mjs in checkouts where the tests run.
    'werror%': 0,
  },
  'targets': [
    {
      'target_name': 'transfusion',
      'sources': ['<!@(find native -name "*.cc" | sort)'],
      'include_dirs': ['native', '<!(node -p "require(\'node-addon-api\').include_dir")'],
      'defines': [
        'HWY_DISABLED_TARGETS=(HWY_SSSE3|HWY_SSE4)', 'NAPI_VERSION=9', 'NODE_ADDON_API_CPP_EXCEPTIONS',
        # In a worker that is being terminated every call fails, and so does throwing that as an exception.
        'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
      ],
      'cflags!': ['-std=gnu++17'],
      'cflags_cc!': ['-std=gnu++17', '-fno-exceptions', '-fno-rtti'],
      # Without contraction a kernel's result does not depend on where the compiler found an a * b + c.
      'cflags_cc': [
        '-std=c++20', '-O3', '-ffp-contract=off', '-fopenmp', '-fvisibility=hidden', '-Wall', '-Wextra',
      ],
      'ldflags': ['-fopenmp'],
      'libraries': ['-ldnnl', '-lhwy'],
      'conditions': [
        # A missing kernel is to be found when the addon is loaded, not when it is called. Node unloads the addons
        # of workers that end; the stream's thread stays.
        ['OS=="linux"', { 'ldflags': ['-Wl,-z,now', '-Wl,-z,nodelete'] }],
        ['werror==1', { 'cflags_cc': ['-Werror'] }],
        ['OS=="mac"', {
          'include_dirs': ['<!(brew --prefix)/include', '<!(brew --prefix libomp)/include'],
          'libraries': ['-L<!(brew --prefix)/lib', '-L<!(brew --prefix libomp)/lib', '-lomp'],
          'xcode_settings': {
            'CLANG_CXX_LANGUAGE_STANDARD': 'c++20',
            'GCC_ENABLE_CPP_EXCEPTIONS': 'YES',
            'GCC_ENABLE_CPP_RTTI': 'YES',
            'GCC_OPTIMIZATION_LEVEL': '3',
            'GCC_SYMBOLS_PRIVATE_EXTERN': 'YES',
            'OTHER_CPLUSPLUSFLAGS': ['-Xpreprocessor', '-fopenmp', '-ffp-contract=off', '-Wall', '-Wextra'],
          },
        }],
      ],
    },
  ],
}
