#include "replayer.hpp"

#include "base/text.hpp"
#include "payload.hpp"
#include "topic.hpp"

namespace devicetwin::bus {

using base::cat;

namespace {

constexpr const char* suffix = "/twin/update/replay";

}  // namespace

Replayer::Replayer(base::Loop& loop, devicetwin::Outbox& outbox, std::string node,
                   Replay::Settings settings, Publish publish)
    : outbox_(outbox),
      node_(std::move(node)),
      publish_(std::move(publish)),
      replay_(loop, outbox, mqtt_consumer, settings,
              [this](const Record& record, Replay::Done done) { send(record, std::move(done)); }) {}

void Replayer::keep(const dmi::ObjectId& device, const std::vector<const Change::Row*>& rows) {
  for (const Change::Row* row : rows) {
    const TwinRow& after = row->after;
    if (after.deleted || !after.actual.present) continue;
    if (row->before && row->before->actual == after.actual &&
        row->before->quality == after.quality) {
      continue;
    }
    const std::int64_t time_ms = after.actual.time_ms;
    outbox_.append(
        mqtt_consumer, time_ms, device_topic(device, false, suffix),
        twin_result("", time_ms,
                    {{.name = after.name, .row = &after, .expected = false, .actual = true}}));
  }
}

void Replayer::pause() {
  replay_.pause();
  flying_.clear();
}

void Replayer::send(const Record& record, Replay::Done done) {
  const std::uint64_t sequence = record.sequence;
  flying_[sequence] = std::move(done);
  if (!publish_(sequence | id_bit, replay_message(record, node_))) outcome(sequence, false);
}

void Replayer::outcome(std::uint64_t id, bool delivered) {
  // Moved out first: the answer may send the next one.
  if (const auto node = flying_.extract(id & ~id_bit)) node.mapped()(delivered);
}

Message replay_message(const Record& record, const std::string& node) {
  if (record.gap) {
    return {node_topic(node, suffix),
            cat("{\"seq\":", record.sequence, ",\"gap\":", gap_text(*record.gap), '}'),
            {}};
  }
  // The payload is an object of ours; foreign bytes in the file stay what they are, behind a key.
  const bool ours = record.payload.starts_with("{\"");
  return {record.topic,
          ours ? cat("{\"seq\":", record.sequence, ',', record.payload.substr(1))
               : cat("{\"seq\":", record.sequence, '}'),
          {}};
}

}  // namespace devicetwin::bus
