# One executable per part of devicetwin; tests may include a part's own headers (src/).
foreach(part core store outbox upload eventbus broker dmilink kubeapi)
  if(TARGET devicetwin_${part})
    project_test(devicetwin/${part} devicetwin_${part} Threads::Threads)
    if(TARGET devicetwin_${part}_test)
      target_include_directories(devicetwin_${part}_test PRIVATE
        ${PROJECT_SOURCE_DIR}/devicetwin/${part}/src)
    endif()
  endif()
endforeach()
# Brokers, mappers and daemons that die are real ones.
foreach(part store outbox upload eventbus broker dmilink)
  if(TARGET devicetwin_${part}_test)
    target_link_libraries(devicetwin_${part}_test PRIVATE test_support)
  endif()
endforeach()
if(TARGET devicetwin_dmilink_test)
  target_link_libraries(devicetwin_dmilink_test PRIVATE dmi_wire)
endif()
