# Benchmarks: tests/bench/NAME.cpp becomes bench_NAME. Built and run by scripts/bench, not by ctest.
foreach(name footprint desired)
  if(TARGET devicetwin AND EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/bench/${name}.cpp)
    add_executable(bench_${name} bench/${name}.cpp)
    target_include_directories(bench_${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
    target_link_libraries(bench_${name} PRIVATE project_options test_support PkgConfig::MODBUS)
    add_dependencies(bench_${name} devicetwin modbus-mapper modbus-plant)
  endif()
endforeach()
