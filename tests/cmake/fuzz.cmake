# tests/fuzz/NAME_fuzz.cpp: with clang and -DFUZZ=ON a libFuzzer program NAME_fuzz (scripts/fuzz);
# otherwise a ctest that replays tests/data/corpus/NAME and mutations of it.
# replay.cpp stands for a library: it is not joined with the target's source.
set_source_files_properties(fuzz/replay.cpp PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
function(fuzz_target name)
  add_executable(${name}_fuzz fuzz/${name}_fuzz.cpp)
  target_link_libraries(${name}_fuzz PRIVATE project_options ${ARGN})
  if(FUZZ)
    target_compile_options(${name}_fuzz PRIVATE -fsanitize=fuzzer)
    target_link_options(${name}_fuzz PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(${name}_fuzz PRIVATE fuzz/replay.cpp)
    add_test(NAME fuzz.${name}
      COMMAND ${name}_fuzz ${${name}_fuzz_flags} ${CMAKE_CURRENT_SOURCE_DIR}/data/corpus/${name})
    set_tests_properties(fuzz.${name} PROPERTIES TIMEOUT 240)
  endif()
endfunction()

fuzz_target(json dmi)
if(TARGET modbus)
  fuzz_target(modbus modbus)
  fuzz_target(rtu modbus)
endif()
if(TARGET devicetwin_eventbus)
  fuzz_target(mqtt devicetwin_eventbus)
  target_include_directories(mqtt_fuzz PRIVATE ${PROJECT_SOURCE_DIR}/devicetwin/eventbus/src)
endif()
# Through the parser into a core: they share the core's test fixture.
if(TARGET devicetwin_core)
  # A quarter of what the others get: with sanitizers, three at a time, it took its two minutes.
  set(mqtt_core_fuzz_flags -mutations=500)
  fuzz_target(mqtt_core devicetwin_eventbus GTest::gtest)
  target_include_directories(mqtt_core_fuzz PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}
    ${PROJECT_SOURCE_DIR}/devicetwin/eventbus/src)
  fuzz_target(dmi_core devicetwin_dmilink dmi_wire dmi_proto GTest::gtest)
  target_include_directories(dmi_core_fuzz PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}
    ${PROJECT_SOURCE_DIR}/devicetwin/dmilink/src ${PROJECT_SOURCE_DIR}/dmi/wire/src)
  set(told_fuzz_flags -mutations=60)  # an input is a life of up to 256 events
  fuzz_target(told devicetwin_core GTest::gtest)
  target_include_directories(told_fuzz PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  fuzz_target(stored devicetwin_store SQLite::SQLite3 GTest::gtest)
  target_include_directories(stored_fuzz PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
endif()
if(TARGET gige_frames)
  fuzz_target(gige_image gige_frames)
endif()
if(TARGET gige)
  fuzz_target(gvcp gige)
endif()
