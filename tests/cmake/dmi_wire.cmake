# The conversions have no public header: these tests are the only others that include them.
project_test(dmi_wire dmi_wire dmi_proto)
if(TARGET dmi_wire_test)
  target_include_directories(dmi_wire_test PRIVATE ${PROJECT_SOURCE_DIR}/dmi/wire/src)
endif()
