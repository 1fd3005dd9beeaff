# Benchmarks: tests/bench/NAME.cpp becomes bench_NAME. Built and run by scripts/bench, not by ctest.
foreach(name footprint desired lanes)
  if(TARGET devicetwin AND EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/bench/${name}.cpp)
    add_executable(bench_${name} bench/${name}.cpp)
    target_include_directories(bench_${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
    target_link_libraries(bench_${name} PRIVATE project_options test_support dmi_wire PkgConfig::MODBUS)
    add_dependencies(bench_${name} devicetwin modbus-mapper modbus-plant)
  endif()
endforeach()
# How soon it serves: files are filled by what writes them in the program.
if(TARGET devicetwin AND EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/bench/start.cpp)
  add_executable(bench_start bench/start.cpp)
  target_include_directories(bench_start PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}
    ${PROJECT_SOURCE_DIR}/devicetwin/history/src)
  target_link_libraries(bench_start PRIVATE project_options test_support dmi_wire devicetwin_outbox
    devicetwin_history Threads::Threads)
  add_dependencies(bench_start devicetwin)
endif()
# What it costs the disk.
if(TARGET devicetwin AND EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/bench/disk.cpp)
  add_library(count_fsync SHARED bench/count_fsync.cpp)
  target_link_libraries(count_fsync PRIVATE project_options ${CMAKE_DL_LIBS})
  add_executable(bench_disk bench/disk.cpp)
  target_include_directories(bench_disk PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(bench_disk PRIVATE project_options test_support dmi_wire Threads::Threads)
  add_dependencies(bench_disk devicetwin count_fsync)
endif()
# The edge core's figures: the real program, measured from outside.
foreach(name dmi batch mqtt persist size replay)
  if(TARGET devicetwin AND EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/bench/twin_${name}.cpp)
    add_executable(bench_twin_${name} bench/twin_${name}.cpp)
    target_include_directories(bench_twin_${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}
      ${PROJECT_SOURCE_DIR}/devicetwin/eventbus/src)
    target_link_libraries(bench_twin_${name} PRIVATE project_options test_support dmi_wire devicetwin_store devicetwin_eventbus
      SQLite::SQLite3 PahoMqttCpp::paho-mqttpp3 eclipse-paho-mqtt-c::paho-mqtt3as Threads::Threads)
    add_dependencies(bench_twin_${name} devicetwin)
  endif()
endforeach()
