// One feature as Aravis holds it: what it is now, its value, and writing it. Nodes belong to the
// device's description and live as long as it does. One thread at a time; calls ask the camera.
#pragma once

#include <string>
#include <string_view>

#include "aravis.hpp"
#include "gige/features.hpp"

namespace gige {

// What Aravis said went wrong, with the feature's name before it.
base::Status wrong(std::string_view name, const Error& error);

// "" for a null pointer.
std::string text_of(const char* text);

Kind kind_of(ArvGcFeatureNode* node);
// error: the camera did not answer; asking it on would take seconds for every question.
// locked: as in Feature.
Access access_of(ArvGcFeatureNode* node, Kind kind, Error& error, bool* locked = nullptr);
bool readable(Access access);
bool writable(Access access);

// Without category and selectors, which stand elsewhere in the description. timeout, unavailable:
// the camera did not say whether the feature can be used.
base::Result<Feature> describe_node(ArvGcFeatureNode* node);
// The entries available now and their numbers, in one order.
struct Entries {
  std::vector<std::string> names;
  std::vector<std::int64_t> numbers;
};
Entries entries_of(ArvGcEnumeration* node, Error& error);

// Readable ones only; name: for errors. unsupported: a register's bytes.
base::Result<dmi::Value> read_node(ArvGcFeatureNode* node, std::string_view name);
// As Features::write(), for one that is writable now.
base::Status write_node(ArvGcFeatureNode* node, const dmi::Value& value);

}  // namespace gige
