// The GigE mapper's own verbs beside those of the SDK: list, features, get, set, grab, doctor.
// Called in main(), before any loop runs. Blocking; one thread.
#pragma once

#include <string>
#include <vector>

#include "gige/camera.hpp"
#include "mapper/driver.hpp"

namespace gige_tools {

// For Protocol::tools.
std::vector<mapper::Tool> tools();

int list_verb(int argc, char** argv);
int features_verb(int argc, char** argv);
int get_verb(int argc, char** argv);
int set_verb(int argc, char** argv);
int grab_verb(int argc, char** argv);
int doctor_verb(int argc, char** argv);

// CAMERA of a command line: an IP or MAC address by its form, "first", else a serial number or,
// when none has it, a user name. not_found, conflict: the text lists what was seen.
base::Result<gige::CameraInfo> find_camera(const std::string& name, const std::string& interface);

// "FEATURE=VALUE". false: it is not like that.
bool split_assignment(const std::string& text, std::string& name, std::string& value);

// Prints what went wrong to stderr. mapper::exit_failed.
int failed(const base::Status& status);

// Columns of text, as wide as they need to be, to stdout.
void print_table(const std::vector<std::vector<std::string>>& rows);

}  // namespace gige_tools
