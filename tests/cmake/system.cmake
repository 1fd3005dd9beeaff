# Real processes end to end. Serial, so that a slow machine does not run several planes at once.
if(TARGET devicetwin AND TARGET modbus-mapper)
  project_test(system test_support dmi PkgConfig::MODBUS)
  if(TARGET system_test)
    add_dependencies(system_test devicetwin modbus-mapper modbus-plant)
  endif()
endif()
