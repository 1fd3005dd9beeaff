# The protocol against its own server, a broken one, and libmodbus'.
project_test(modbus modbus modbus_tools modbus_plant modbus_sim test_support Boost::headers
  OpenSSL::SSL PkgConfig::MODBUS Threads::Threads)
add_dependencies(modbus_test modbus-plant modbus-sim modbus-mapper)

if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/bench/modbus_plan.cpp)
  add_executable(bench_modbus_plan bench/modbus_plan.cpp)
  # The SDK's refine, so that the whole way from register to twin is measured, is not public.
  target_include_directories(bench_modbus_plan PRIVATE
    ${CMAKE_CURRENT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/mapper-sdk/src)
  target_link_libraries(bench_modbus_plan PRIVATE project_options modbus mapper test_support PkgConfig::MODBUS Threads::Threads)
  add_dependencies(bench_modbus_plan modbus-plant)
endif()

# The SDK's sessions are not public, and part of what these measure.
foreach(name modbus_write modbus_rtu modbus_plant modbus_devices modbus_growth)
  if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/bench/${name}.cpp)
    add_executable(bench_${name} bench/${name}.cpp)
    target_include_directories(bench_${name} PRIVATE
      ${CMAKE_CURRENT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/mapper-sdk/src)
    target_link_libraries(bench_${name} PRIVATE project_options modbus mapper test_support Threads::Threads)
    add_dependencies(bench_${name} modbus-plant)
  endif()
endforeach()
