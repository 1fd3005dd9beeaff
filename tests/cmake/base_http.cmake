if(TARGET base_http)
  project_test(base_http base_http OpenSSL::SSL Threads::Threads)
endif()
