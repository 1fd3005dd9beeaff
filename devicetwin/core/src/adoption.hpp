// What the disk has answered becomes what is shown, and is told: verbs in their order, then what
// came to the object meanwhile. Belongs to the loop.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "report_writer.hpp"
#include "turns.hpp"

namespace devicetwin {

class Adoption {
 public:
  Adoption(State& state, Turns& turns, ReportWriter& reports)
      : state_(state), turns_(turns), reports_(reports) {}

  // As Turns::Settle.
  void settle(const Key& key, Line line, const base::Status& disk);

  // Tells what is new in a device's status, or keeps it until the device's own change is told.
  void tell_status(DeviceEntry& entry, std::vector<Change::Row> rows, Origin origin,
                   bool state_changed, const std::string& event_id = "");

 private:
  // Rows as listeners know them; nullopt: they know none.
  using Known = std::map<std::string, std::optional<TwinRow>>;

  void adopt_device(const dmi::ObjectId& id, Line& line);
  void drop_device(const dmi::ObjectId& id, Line& line);
  void adopt_model(const dmi::ObjectId& id, Line& line);
  // Types, paces and reasons of the devices of a model that came, changed or went.
  void follow_model_change(const dmi::ObjectId& model, Origin origin);
  std::vector<Change::Row> follow_types(DeviceBody& body, const ModelEntry& model, Origin origin,
                                        PaceRules& paces);
  Known known_rows(const dmi::ObjectId& id, const Line& line);
  void tell_verbs(const dmi::ObjectId& id, Line& line, Known& known, bool ends, bool state_changed);
  static TwinRow as_left(const DeviceEntry& entry, Line& line, TwinRow row);
  void tell_news(const dmi::ObjectId& id, const std::vector<News>& news, Known& known);
  void push_status(const dmi::ObjectId& id, Change change);

  State& state_;
  Turns& turns_;
  ReportWriter& reports_;
};

}  // namespace devicetwin
