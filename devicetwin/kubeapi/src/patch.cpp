#include "patch.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace devicetwin::kube {

using base::cat;
using base::Code;
using base::Status;

namespace {

// kube-apiserver's own limit.
constexpr std::size_t max_operations = 10000;
// Each may double the object ("copy") or its depth ("move"), so a short patch could fill the memory
// or the stack.
constexpr std::size_t max_copies = 4;
constexpr std::size_t max_moves = 16;
// As deep as objects may be nested; a longer path leads to nothing.
constexpr std::ptrdiff_t max_path_depth = 64;

Status check_operations(const dmi::Json& patch) {
  if (!patch.is_array()) return Status(Code::invalid, "a JSON patch is a list of operations");
  if (patch.size() > max_operations) {
    return Status(Code::invalid,
                  cat("the JSON patch has ", patch.size(), " operations, above ", max_operations));
  }
  std::size_t copies = 0;
  std::size_t moves = 0;
  for (std::size_t i = 0; i < patch.size(); ++i) {
    const dmi::Json& operation = patch[i];
    if (!operation.is_object() || !operation.contains("op") || !operation["op"].is_string() ||
        !operation.contains("path") || !operation["path"].is_string()) {
      return Status(Code::invalid, cat("operation ", i, " has no op and path"));
    }
    const std::string& path = operation["path"].get_ref<const std::string&>();
    if (std::count(path.begin(), path.end(), '/') > max_path_depth) {
      return Status(Code::invalid,
                    cat("operation ", i, ": the path is deeper than ", max_path_depth, " levels"));
    }
    copies += operation["op"] == "copy" ? 1 : 0;
    moves += operation["op"] == "move" ? 1 : 0;
  }
  if (copies > max_copies || moves > max_moves) {
    return Status(Code::invalid, cat("the JSON patch has ", copies, " copies and ", moves,
                                     " moves, above ", max_copies, " and ", max_moves));
  }
  return Status();
}

// The first `count` operations. "" and the result, or the library's reason.
std::string try_patch(const dmi::Json& object, const dmi::Json& patch, std::size_t count,
                      dmi::Json& result) {
  dmi::Json part = dmi::Json::array();
  for (std::size_t i = 0; i < count; ++i) part.push_back(patch[i]);
  try {
    result = object.patch(part);
    return "";
  } catch (const dmi::Json::exception& error) {
    // The library's text starts with its own code in brackets, which helps nobody.
    const std::string_view what(error.what());
    const std::size_t start = what.find("] ");
    return std::string(start == what.npos ? what : what.substr(start + 2));
  }
}

}  // namespace

dmi::Json merge_patch(dmi::Json object, const dmi::Json& patch) {
  object.merge_patch(patch);
  return object;
}

base::Result<dmi::Json> json_patch(const dmi::Json& object, const dmi::Json& patch) {
  if (Status status = check_operations(patch); !status.ok()) return status;
  dmi::Json patched;
  std::string reason = try_patch(object, patch, patch.size(), patched);
  if (reason.empty()) return patched;

  // The library does not say which operation it was. Once one fails, every longer part does.
  std::size_t works = 0;
  std::size_t fails = patch.size();
  while (fails - works > 1) {
    const std::size_t middle = works + (fails - works) / 2;
    std::string why = try_patch(object, patch, middle, patched);
    (why.empty() ? works : fails) = middle;
    if (!why.empty()) reason = std::move(why);
  }
  const dmi::Json& culprit = patch[fails - 1];
  return Status(Code::invalid, cat("operation ", fails - 1, " (", culprit["op"].get<std::string>(),
                                   " ", culprit["path"].get<std::string>(), "): ", reason));
}

dmi::Json apply_patch(dmi::Json object, const dmi::Json& patch) {
  if (!patch.is_object() || !object.is_object()) return patch;
  for (const auto& [key, value] : patch.items()) {
    if (value.is_null()) continue;
    const auto found = object.find(key);
    if (found == object.end()) {
      object[key] = value;
    } else {
      *found = apply_patch(std::move(*found), value);
    }
  }
  return object;
}

}  // namespace devicetwin::kube
