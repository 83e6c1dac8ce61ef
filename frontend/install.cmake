# What `cmake --install` and `cpack` put where. Programs find data and modules from where they lie, so that a tree may be
# moved as a whole (frontend/files/installed.h); the package files for CMake and pkg-config do so, too.
set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME dtqc)
set(private ${CMAKE_INSTALL_LIBDIR}/dtqc)
set(include ${CMAKE_INSTALL_INCLUDEDIR}/dtqc)

install(TARGETS dtqc RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
# Their paths to libraries are the linker's, not the build tree's.
set_target_properties(dtqc dtq_llvm dtq_gp PROPERTIES BUILD_WITH_INSTALL_RPATH ON)
install(TARGETS dtq_llvm dtq_gp LIBRARY DESTINATION ${private})
install(TARGETS dtq_hostmain ARCHIVE DESTINATION ${private})
if(TARGET dtq_mpi)
  set_target_properties(dtq_mpi PROPERTIES BUILD_WITH_INSTALL_RPATH ON INSTALL_RPATH_USE_LINK_PATH ON)
  install(TARGETS dtq_mpi LIBRARY DESTINATION ${private} COMPONENT mpi)
endif()
install(DIRECTORY examples/models examples/targets examples/policies DESTINATION ${CMAKE_INSTALL_DATADIR}/dtqc)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright)

# Public headers: runtime/dtqrt.h and all that it includes.
set(public "")
set(unread runtime/dtqrt.h)
while(unread)
  list(POP_FRONT unread header)
  if(NOT header IN_LIST public)
    list(APPEND public ${header})
    file(STRINGS ${header} lines REGEX "^#include \"")
    list(TRANSFORM lines REPLACE "^#include \"([^\"]+)\".*" "\\1")
    list(APPEND unread ${lines})
    get_filename_component(directory ${header} DIRECTORY)
    install(FILES ${header} DESTINATION ${include}/${directory})
  endif()
endwhile()
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${public})

# The library for programs with a model inside: find_package(dtq), or pkg-config dtq.
target_include_directories(dtqrt INTERFACE $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}> $<INSTALL_INTERFACE:${include}>)
install(TARGETS dtqrt EXPORT dtqTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT dtqTargets NAMESPACE dtq:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/dtq)
export(EXPORT dtqTargets NAMESPACE dtq:: FILE ${CMAKE_BINARY_DIR}/dtqTargets.cmake) # and in the build tree
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/dtqConfig.cmake @ONLY CONTENT [[include(CMakeFindDependencyMacro)
find_dependency(Threads)
include(${CMAKE_CURRENT_LIST_DIR}/dtqTargets.cmake)
]])
include(CMakePackageConfigHelpers)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/dtqConfigVersion.cmake COMPATIBILITY ExactVersion)
install(FILES ${CMAKE_BINARY_DIR}/dtqConfig.cmake ${CMAKE_BINARY_DIR}/dtqConfigVersion.cmake DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/dtq)
file(RELATIVE_PATH from_pc ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/dtq.pc @ONLY CONTENT [[prefix=${pcfiledir}/@from_pc@
Name: dtq
Description: Runtime of dtqc: models compiled to host code, and the simulator
Version: @PROJECT_VERSION@
Cflags: -I${prefix}/@include@
Libs: -L${prefix}/@CMAKE_INSTALL_LIBDIR@ -ldtqrt -lm -pthread
]])
install(FILES ${CMAKE_BINARY_DIR}/dtq.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# Manual and completions, from the table of options.
set(pages "")
foreach(page "dtqc.1;--man;man/man1" "dtqc.bash;--completion=bash;bash-completion/completions;dtqc"
    "_dtqc;--completion=zsh;zsh/site-functions" "dtqc.fish;--completion=fish;fish/vendor_completions.d")
  list(GET page 0 file)
  list(GET page 1 option)
  list(GET page 2 directory)
  set(name ${file})
  if(page MATCHES "bash$|;dtqc$")
    set(name dtqc)
  endif()
  add_custom_command(OUTPUT ${file} COMMAND dtqc help ${option} > ${file} DEPENDS dtqc VERBATIM)
  list(APPEND pages ${file})
  install(FILES ${CMAKE_BINARY_DIR}/${file} DESTINATION ${CMAKE_INSTALL_DATADIR}/${directory} RENAME ${name})
endforeach()
add_custom_target(pages ALL DEPENDS ${pages})

# cpack -G DEB: dtqc, and dtqc-mpi if MPI was there.
set(CPACK_PACKAGE_NAME dtqc)
set(CPACK_PACKAGE_CONTACT "dtqc's maintainers <dtqc@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "scheduling compiler for mixed-precision attention on systolic arrays")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL dtqc)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_DTQC_PACKAGE_NAME dtqc)
set(CPACK_DEBIAN_DTQC_PACKAGE_RECOMMENDS "gcc, libfyaml-dev, libutf8proc-dev") # compile --emit=exe links with them
if(TARGET dtq_mpi)
  list(APPEND CPACK_COMPONENTS_ALL mpi)
  set(CPACK_DEBIAN_MPI_PACKAGE_NAME dtqc-mpi)
  set(CPACK_DEBIAN_MPI_PACKAGE_DEPENDS "dtqc (= ${PROJECT_VERSION})")
  set(CPACK_COMPONENT_MPI_DESCRIPTION "sweeps, searches and evaluations of dtqc over several machines")
endif()
include(CPack)
