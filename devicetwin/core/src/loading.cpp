#include "loading.hpp"

#include <algorithm>
#include <atomic>
#include <system_error>
#include <thread>

#include "dmi/crd.hpp"
#include "objects.hpp"

namespace devicetwin {

using dmi::Json;

namespace {

constexpr std::size_t most_threads = 4;
constexpr std::size_t worth_a_thread = 16;  // objects

ReadObject read_one(const Object& object) {
  ReadObject read;
  const Json json = Json::parse(object.text.str(), nullptr, false);
  if (!json.is_object() || !json.contains("metadata")) {
    read.wrong = json.is_discarded() ? "it is not JSON" : "it has no metadata";
    return read;
  }
  if (object.kind != Kind::device) return read;
  read.created = json["metadata"].value("creationTimestamp", "");
  read.pinned_mapper = pinned_mapper_of(json);
  if (auto device = dmi::device_from_json(json)) read.device = std::move(*device);
  return read;
}

}  // namespace

std::vector<ReadObject> read_all(std::span<const Object> objects) {
  std::vector<ReadObject> all(objects.size());
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < objects.size(); i = next++) all[i] = read_one(objects[i]);
  };
  std::vector<std::jthread> others;
  const std::size_t threads =
      std::min<std::size_t>(most_threads, std::thread::hardware_concurrency());
  try {
    while (others.size() + 1 < std::min(threads, objects.size() / worth_a_thread)) {
      others.emplace_back(work);
    }
  } catch (const std::system_error&) {
    // No thread to be had: those that are there do it all.
  }
  work();
  others.clear();
  return all;
}

}  // namespace devicetwin
