# Runs between the installation into the package's tree and its packing: what only Debian wants.
set(root ${CPACK_TEMPORARY_INSTALL_DIRECTORY})
set(doc ${root}/usr/share/doc/holdfast)
get_filename_component(source ${CMAKE_CURRENT_LIST_DIR}/.. ABSOLUTE)

file(COPY ${source}/deploy/debian/copyright DESTINATION ${doc})
string(TIMESTAMP now "%a, %d %b %Y %H:%M:%S +0000" UTC)
file(WRITE ${doc}/changelog "holdfast (${CPACK_PACKAGE_VERSION}) unstable; urgency=medium

  * Built by CPack from the project's own tree; what has changed: git log.

 -- ${CPACK_PACKAGE_CONTACT}  ${now}
")
file(GLOB pages ${root}/usr/share/man/man*/*.[1-8])
execute_process(COMMAND gzip -9n ${doc}/changelog ${pages} COMMAND_ERROR_IS_FATAL ANY)
file(MAKE_DIRECTORY ${root}/usr/share/lintian/overrides)
file(COPY_FILE ${source}/deploy/debian/lintian-overrides ${root}/usr/share/lintian/overrides/holdfast)
