#include "notes.hpp"

#include "base/text.hpp"

namespace devicetwin {

using base::cat;
using dmi::ObjectId;

namespace {

std::optional<dmi::MapperInfo> info_of(std::string_view name, const std::string& note) {
  const auto json = dmi::parse_json(note);
  if (!json || !json->is_object()) return std::nullopt;
  const auto text = [&](const char* key) {
    const auto found = json->find(key);
    return found != json->end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  dmi::MapperInfo info{std::string(name), text("version"), text("api_version"),
                       text("protocol"),  text("address"), "ok"};
  if (info.name.empty() || info.protocol.empty() || info.address.empty()) return std::nullopt;
  return info;
}

}  // namespace

std::string mapper_key(const std::string& mapper) { return cat("mapper/", mapper); }
std::string assigned_key(const ObjectId& device) { return cat("assigned/", device.to_string()); }
std::string gone_key(const std::string& mapper, const ObjectId& device) {
  return cat("gone/", mapper, '/', device.to_string());
}

std::string note_of(const dmi::MapperInfo& info) {
  return dmi::to_text({{"version", info.version},
                       {"api_version", info.api_version},
                       {"protocol", info.protocol},
                       {"address", info.address}});
}

Remembered remembered(const std::map<std::string, std::string>& notes) {
  Remembered all;
  for (const auto& [key, text] : notes) {
    const auto parts = base::split(key, '/');
    const auto part = [&](std::size_t i) { return std::string(parts[i]); };
    if (parts[0] == "mapper") {
      auto info = parts.size() == 2 ? info_of(parts[1], text) : std::nullopt;
      if (info) {
        all.mappers.push_back(std::move(*info));
      } else {
        all.unread.push_back(key);
      }
    } else if (parts[0] == "assigned" && parts.size() == 3) {
      all.assigned[{part(1), part(2)}] = text;
    } else if (parts[0] == "gone" && parts.size() == 4) {
      all.gone.push_back({part(1), {part(2), part(3)}});
    }
  }
  return all;
}

}  // namespace devicetwin
