// What DmiLink keeps in the journal's notes. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dmi/device.hpp"

namespace devicetwin {

// "mapper/NAME" keeps a registration, "assigned/SPACE/DEVICE" the name of the mapper that a device
// belongs to, "gone/NAME/SPACE/DEVICE" a removal that the mapper has not confirmed.
std::string mapper_key(const std::string& mapper);
std::string assigned_key(const dmi::ObjectId& device);
std::string gone_key(const std::string& mapper, const dmi::ObjectId& device);

std::string note_of(const dmi::MapperInfo& info);

struct Remembered {
  std::vector<dmi::MapperInfo> mappers;
  std::map<dmi::ObjectId, std::string> assigned;
  std::vector<std::pair<std::string, dmi::ObjectId>> gone;  // mapper, device
  std::vector<std::string> unread;                          // keys of ours that say nothing of use
};
Remembered remembered(const std::map<std::string, std::string>& notes);

}  // namespace devicetwin
