#include "state.hpp"

#include "base/text.hpp"

namespace devicetwin {

using base::cat;
using base::Code;
using base::Status;

DeviceBody DeviceBody::copy() const {
  DeviceBody other(*rows.names);
  other.object = object;
  other.created = created;
  other.protocol = protocol;
  other.pinned_mapper = pinned_mapper;
  other.model = model;
  other.ignored = ignored;
  other.rows = rows.copy();
  return other;
}

DeviceEntry* State::device(const dmi::ObjectId& id) {
  const auto found = devices.find(id);
  return found == devices.end() ? nullptr : &found->second;
}

const Object* State::find(const Key& key) const {
  if (key.first == Kind::device) {
    const auto found = devices.find(key.second);
    return found == devices.end() ? nullptr : &found->second.object;
  }
  const auto found = models.find(key.second);
  return found == models.end() ? nullptr : &found->second.object;
}

const Status& State::refused(const Status& why) {
  switch (why.code()) {
    case Code::not_found:
      ++counters.not_found;
      break;
    case Code::conflict:
      ++counters.conflict;
      break;
    case Code::unavailable:
      ++counters.limit;
      break;
    default:
      ++counters.invalid;
  }
  return why;
}

Status State::disk_failed(const Status& disk) {
  ++counters.disk;
  return Status(Code::unavailable, cat("disk: ", disk.text()));
}

}  // namespace devicetwin
