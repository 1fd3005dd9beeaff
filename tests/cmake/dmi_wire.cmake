# The conversions have no public header: these tests are the only others that include them.
project_test(dmi_wire dmi_wire dmi_proto test_support gRPC::grpc++_unsecure)
if(TARGET dmi_wire_test)
  target_include_directories(dmi_wire_test PRIVATE ${PROJECT_SOURCE_DIR}/dmi/wire/src)
  if(TARGET devicetwin)
    add_dependencies(dmi_wire_test devicetwin)  # replay_test.cpp
  endif()
endif()
