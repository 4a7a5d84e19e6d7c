# What makes a fault in memory harder to use. In every build but those with sanitizers, which bring
# their own checks; tests/system/test_release_elf.py reads it back from the program.
include(CheckCCompilerFlag)
# Not CMAKE_POSITION_INDEPENDENT_CODE: it compiles static libraries for shared objects, which is slower.
add_compile_options(-fPIE -fstack-protector-strong)
add_link_options($<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:-pie>
                 -Wl,-z,relro,-z,now,-z,noexecstack)

# Control-flow protection is of x86, and gcc only of late protects the gaps of a great stack.
foreach(flag -fstack-clash-protection -fcf-protection=full)
  string(MAKE_C_IDENTIFIER "have${flag}" have)
  check_c_compiler_flag(${flag} ${have})
  if(${have})
    add_compile_options(${flag})
  endif()
endforeach()
if(NOT HOLDFAST_SANITIZE)
  # Needs an optimising build: the C library warns without. A compiler may bring a level of its own.
  add_compile_options($<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE>
                      $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=3>)
endif()
