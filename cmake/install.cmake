# What `cmake --install` puts where: the program and what an operator needs beside it, nothing of
# the tests and the lab. Everything is below the prefix, and the program finds its SQL from where it
# stands itself, so that the tree may be moved as a whole.
include(GNUInstallDirs)
# What is not built is not installed: installing must not build the tests on the way.
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)
set(share ${CMAKE_INSTALL_DATADIR}/holdfast)
set(doc ${CMAKE_INSTALL_DATADIR}/doc/holdfast)

install(TARGETS holdfast)
install(DIRECTORY migrations sql DESTINATION ${share} FILES_MATCHING PATTERN "*.sql")
install(DIRECTORY server thingworx deploy/grafana deploy/prometheus DESTINATION ${share})
install(DIRECTORY docs/ DESTINATION ${doc} FILES_MATCHING PATTERN "*.md" PATTERN "*.svg" PATTERN "*.png"
        PATTERN man EXCLUDE)
install(FILES README.md DESTINATION ${doc})
file(GLOB manual CONFIGURE_DEPENDS docs/man/*.[1-8])
foreach(page ${manual})
  string(REGEX MATCH "[1-8]$" section ${page})
  install(FILES ${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()
install(FILES deploy/completion/holdfast DESTINATION
        ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)

# The units and the configuration name paths, which are known only when the prefix is.
install(CODE "
  set(source \"${CMAKE_SOURCE_DIR}\")
  set(scratch \"${CMAKE_BINARY_DIR}/installed\")
  set(bindir \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}\")
  set(unitdir \"\${CMAKE_INSTALL_PREFIX}/lib/systemd/system\")
  set(docdir \"\${CMAKE_INSTALL_PREFIX}/${doc}\")
  set(sysconfdir \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_SYSCONFDIR}\")
  include(\"${CMAKE_SOURCE_DIR}/cmake/install_configured.cmake\")")
