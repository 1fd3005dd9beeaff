# The SDK's parts have no public headers: these tests are the only others that include them.
if(TARGET mapper)
  project_test(mapper mapper test_support dmi_wire dmi_proto dmi base gRPC::grpc++_unsecure)
  if(TARGET mapper_test)
    target_include_directories(mapper_test PRIVATE ${PROJECT_SOURCE_DIR}/mapper-sdk/src)
    add_dependencies(mapper_test textfile-mapper)
  endif()
endif()
