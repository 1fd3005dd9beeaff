# Real processes end to end. Serial, so that a slow machine does not run several planes at once.
if(TARGET devicetwin AND TARGET modbus-mapper)
  project_test(system test_support dmi PkgConfig::MODBUS SQLite::SQLite3 PahoMqttCpp::paho-mqttpp3
    eclipse-paho-mqtt-c::paho-mqtt3as Threads::Threads)
  if(TARGET system_test)
    add_dependencies(system_test devicetwin modbus-mapper modbus-plant)
  endif()
  # scripts/soak: the same load and the same checker for longer.
  add_executable(soak soak/main.cpp system/history_check.cpp system/load.cpp
    system/load_clients.cpp system/mqtt_client.cpp system/recording_device.cpp)
  target_include_directories(soak PRIVATE ${CMAKE_CURRENT_SOURCE_DIR} soak)
  target_link_libraries(soak PRIVATE project_options test_support dmi CLI11::CLI11
    PkgConfig::MODBUS SQLite::SQLite3 PahoMqttCpp::paho-mqttpp3 eclipse-paho-mqtt-c::paho-mqtt3as Threads::Threads)
  add_dependencies(soak devicetwin modbus-mapper)
  # The README's first command, but for installing and building. A short path: sockets live there.
  add_test(NAME demo.once COMMAND sh -c
    "dir=$(mktemp -d /tmp/mf.XXXXXX) && python3 '${PROJECT_SOURCE_DIR}/scripts/demo.py' --once --build '${PROJECT_BINARY_DIR}' --dir $dir --mqtt-port 0 --plant-port 0 --kube-port 0 --http-port 0 --screenshot $dir/page.png && /usr/bin/python3 '${CMAKE_CURRENT_SOURCE_DIR}/system/screenshot_check.py' $dir/page.png; status=$?; rm -rf $dir; exit $status")
  set_tests_properties(demo.once PROPERTIES TIMEOUT 180)
endif()
