# tests/fuzz/NAME_fuzz.cpp: with clang and -DFUZZ=ON a libFuzzer program NAME_fuzz (scripts/fuzz);
# otherwise a ctest that replays tests/data/corpus/NAME and mutations of it.
function(fuzz_target name)
  add_executable(${name}_fuzz fuzz/${name}_fuzz.cpp)
  target_link_libraries(${name}_fuzz PRIVATE project_options ${ARGN})
  if(FUZZ)
    target_compile_options(${name}_fuzz PRIVATE -fsanitize=fuzzer)
    target_link_options(${name}_fuzz PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(${name}_fuzz PRIVATE fuzz/replay.cpp)
    add_test(NAME fuzz.${name}
      COMMAND ${name}_fuzz ${CMAKE_CURRENT_SOURCE_DIR}/data/corpus/${name})
    set_tests_properties(fuzz.${name} PROPERTIES TIMEOUT 120)
  endif()
endfunction()

fuzz_target(json dmi)
if(TARGET modbus)
  fuzz_target(modbus modbus)
endif()
if(TARGET devicetwin_eventbus)
  fuzz_target(mqtt devicetwin_eventbus)
  target_include_directories(mqtt_fuzz PRIVATE ${PROJECT_SOURCE_DIR}/devicetwin/eventbus/src)
endif()
