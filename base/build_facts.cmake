# cmake -DSOURCE=FOLDER -DOUT=FILE -P build_facts.cmake: what base/build.hpp tells, as a header.
# Runs with every build, and writes only what differs: a commit compiles one small file anew.
# The date is SOURCE_DATE_EPOCH, else the commit's, else the one in VERSION: never today's, so that
# equal sources give equal programs.
file(STRINGS "${SOURCE}/VERSION" line LIMIT_COUNT 1)
if(NOT line MATCHES "^([0-9]+\\.[0-9]+\\.[0-9]+) ([0-9]+)-0?([0-9]+)-0?([0-9]+)$")
  message(FATAL_ERROR "${SOURCE}/VERSION: \"${line}\" is not VERSION YYYY-MM-DD")
endif()
set(version "${CMAKE_MATCH_1}")
set(date "std::chrono::sys_days(std::chrono::year(${CMAKE_MATCH_2}) / ${CMAKE_MATCH_3} / ${CMAKE_MATCH_4})")
set(commit "no commit")

# Not of a repository that this folder merely lies in. Whoever builds as another user than he
# cloned (root in a container) trusts the folder already: this very file is of it.
if(EXISTS "${SOURCE}/.git")
  execute_process(
    COMMAND git -c safe.directory=* -C "${SOURCE}" log -1 --no-show-signature --abbrev=12 --format=%h/%ct
    OUTPUT_VARIABLE head OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(head MATCHES "^([0-9a-f]+)/([0-9]+)$")
    set(commit "${CMAKE_MATCH_1}")
    set(date "std::chrono::seconds(${CMAKE_MATCH_2})")
  endif()
endif()
if("$ENV{SOURCE_DATE_EPOCH}" MATCHES "^[0-9]+$")
  set(date "std::chrono::seconds($ENV{SOURCE_DATE_EPOCH})")
endif()

file(CONFIGURE OUTPUT "${OUT}" @ONLY CONTENT [[
// Made by base/build_facts.cmake. For base/src/build.cpp only.
#define BUILD_VERSION "@version@"
#define BUILD_COMMIT "@commit@"
#define BUILD_DATE @date@
]])
