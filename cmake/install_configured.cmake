# Runs while installing: files that name the folders of the prefix. Given: source, scratch, bindir,
# unitdir, docdir, sysconfdir.
if(CMAKE_INSTALL_PREFIX MATCHES "^/usr/?$")
  set(sysconfdir /etc)
endif()
file(READ ${source}/deploy/systemd/common.conf common)
foreach(unit holdfast.service holdfast@.service)
  configure_file(${source}/deploy/systemd/${unit}.in ${scratch}/${unit} @ONLY)
  file(INSTALL ${scratch}/${unit} DESTINATION ${unitdir}
       PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
endforeach()
configure_file(${source}/deploy/holdfast.conf.in ${scratch}/holdfast.conf @ONLY)
# The connection string in it may hold a password.
set(private PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ)
file(INSTALL ${scratch}/holdfast.conf DESTINATION ${docdir}/examples
     PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
# What an administrator has written is left alone.
if(NOT EXISTS "$ENV{DESTDIR}${sysconfdir}/holdfast/holdfast.conf")
  file(INSTALL ${scratch}/holdfast.conf DESTINATION ${sysconfdir}/holdfast ${private})
endif()
if(NOT EXISTS "$ENV{DESTDIR}${sysconfdir}/holdfast/secrets")
  file(MAKE_DIRECTORY "$ENV{DESTDIR}${sysconfdir}/holdfast/secrets")
  file(CHMOD "$ENV{DESTDIR}${sysconfdir}/holdfast/secrets" PERMISSIONS
       OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE)
endif()
