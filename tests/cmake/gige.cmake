# Cameras: in a network namespace of the test's own (tests/gige/main.cpp). One executable per part,
# so that what does not need Aravis is built and run without it.
# gige_test(folder library…): tests/gige/FOLDER/*.cpp with the main of tests/gige.
function(gige_test folder)
  project_test(gige/${folder} test_support ${ARGN})
  if(TARGET gige_${folder}_test)
    target_sources(gige_${folder}_test PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/gige/main.cpp)
  endif()
endfunction()

# A camera of our own on UDP: GVCP and GVSP with everything that can go wrong, at line rate.
file(GLOB generator_sources CONFIGURE_DEPENDS gige/generator/*.cpp)
list(FILTER generator_sources EXCLUDE REGEX "/main\\.cpp$")
if(generator_sources)
  add_library(gige_generator STATIC ${generator_sources})
  target_include_directories(gige_generator PUBLIC ${CMAKE_CURRENT_SOURCE_DIR}/gige)
  target_link_libraries(gige_generator PUBLIC base PRIVATE project_options Threads::Threads)
  add_executable(gige-generator gige/generator/main.cpp)
  target_link_libraries(gige-generator PRIVATE project_options gige_generator base CLI11::CLI11)
endif()

if(TARGET gige_frames)
  gige_test(frames gige_frames PkgConfig::IMAGES)
  if(TARGET gige_frames_test)
    add_dependencies(gige_frames_test frame-reader)  # run by a test
  endif()
endif()
if(TARGET gige_outlets)
  gige_test(outlets gige_outlets base_http OpenSSL::SSL)
endif()
if(TARGET gige_generator)
  gige_test(wire gige_generator)
  if(TARGET gige_wire_test)
    add_dependencies(gige_wire_test gige-generator)
  endif()
endif()
if(TARGET gige)
  gige_test(camera gige $<TARGET_NAME_IF_EXISTS:gige_generator> PkgConfig::ARAVIS)
  gige_test(features gige $<TARGET_NAME_IF_EXISTS:gige_generator> PkgConfig::ARAVIS)
endif()
if(TARGET gige_tools AND TARGET gige_generator)
  gige_test(tools gige_tools gige_generator)
endif()

# Benchmarks that need no camera.
if(TARGET gige_frames AND EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/bench/gige_readers.cpp)
  add_executable(bench_gige_readers bench/gige_readers.cpp)
  target_include_directories(bench_gige_readers PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(bench_gige_readers PRIVATE project_options gige_frames)
endif()

# Benchmarks of cameras: senders are programs beside this one.
if(TARGET gige AND TARGET gige_generator)
  foreach(name gige_stream gige_loss gige_back gige_memory)
    if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/bench/${name}.cpp)
      add_executable(bench_${name} bench/${name}.cpp)
      target_include_directories(bench_${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
      target_link_libraries(bench_${name} PRIVATE project_options gige gige_generator test_support
        PkgConfig::ARAVIS)
      target_compile_definitions(bench_${name} PRIVATE PROJECT_BINARY="${PROJECT_BINARY_DIR}")
      add_dependencies(bench_${name} gige-generator)
    endif()
  endforeach()
endif()
