# Writes build_info.c: what `holdfast --version` adds to the version. Run at every build, so that it
# tells the commit that was built and not the one that was configured; rewritten only when changed.
# Given: SOURCE, OUT, BUILD_TYPE, and optionally DESCRIPTION where there is no repository.
if(NOT DESCRIPTION)
  find_program(GIT git)
  # A checkout that lies within somebody else's repository is not described by that.
  execute_process(COMMAND ${GIT} -C ${SOURCE} rev-parse --show-toplevel
                  OUTPUT_VARIABLE top ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
  file(REAL_PATH ${SOURCE} source)
  if(top STREQUAL source)
    execute_process(COMMAND ${GIT} -C ${SOURCE} describe --tags --always --dirty --abbrev=12
                    OUTPUT_VARIABLE DESCRIPTION ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
  endif()
endif()
if(DESCRIPTION)
  set(DESCRIPTION "git ${DESCRIPTION}, ")
endif()
set(text "#include \"bin/build_info.h\"\n\nconst char build_info[] = \"${DESCRIPTION}${BUILD_TYPE}\";\n")
set(old "")
if(EXISTS ${OUT})
  file(READ ${OUT} old)
endif()
if(NOT old STREQUAL text)
  file(WRITE ${OUT} "${text}")
endif()
