# The Debian package: `cpack -G DEB` in a build folder, or ./dev package.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME holdfast)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_VENDOR Holdfast)
set(CPACK_PACKAGE_CONTACT "Holdfast <holdfast@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "cluster of connector nodes between Azure IoT Hub and ThingWorx")
set(CPACK_PACKAGE_DESCRIPTION
    "Holdfast reads device telemetry from Azure IoT Hub and delivers it to PTC
ThingWorx. Its nodes share nothing but PostgreSQL, which holds their leases,
checkpoints and bindings: when a node dies, the others take over its
partitions from their checkpoints.
.
This package brings the node, the schema of the database with its migrations,
systemd units, and the entities that ThingWorx may import.")
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "adduser")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "ca-certificates")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "postgresql-client, prometheus")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_STRIP_FILES ON)
# As `DESTDIR=... cmake --install --prefix /usr`, so that what belongs into /etc goes there.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_SOURCE_DIR}/cmake/package_files.cmake)
foreach(script conffiles postinst prerm postrm)
  list(APPEND CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_SOURCE_DIR}/deploy/debian/${script})
endforeach()
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)
