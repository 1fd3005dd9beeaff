# One executable per part of devicetwin; tests may include a part's own headers (src/).
foreach(part core store eventbus dmilink kubeapi)
  if(TARGET devicetwin_${part})
    project_test(devicetwin/${part} devicetwin_${part} Threads::Threads)
    if(TARGET devicetwin_${part}_test)
      target_include_directories(devicetwin_${part}_test PRIVATE
        ${PROJECT_SOURCE_DIR}/devicetwin/${part}/src)
    endif()
  endif()
endforeach()
