// The verbs on devices and models: decided in the object's turn, staged in its line, queued for the
// disk. Belongs to the loop.
#pragma once

#include <string>

#include "turns.hpp"

namespace devicetwin {

// Sets what belongs to the server in metadata.
void set_metadata(dmi::Json& object, const std::string& uid, const std::string& created,
                  std::int64_t generation, std::uint64_t version);
Text text_of(const dmi::Json& object);
// Of Core::mapper_annotation; "": none.
std::string pinned_mapper_of(const dmi::Json& object);
// JSON that this process wrote itself.
dmi::Json parse_own(const Text& text);
// Of a model that is stored: what devices ask it for. One that cannot be read has nothing of it.
ModelEntry model_entry(Object object);

class Objects {
 public:
  Objects(State& state, Turns& turns) : state_(state), turns_(turns) {}

  // As Core's.
  void create(Kind kind, dmi::Json object, Origin origin, Core::Done done);
  void update(Kind kind, dmi::Json object, std::uint64_t expected_version, Origin origin,
              Core::Done done);
  void remove(Kind kind, const dmi::ObjectId& id, Origin origin, Core::Done done);

  // In a device's turn: what it will be, to begin with what it is.
  DeviceBody& stage(const dmi::ObjectId& id);
  // In an object's turn: stages it, and gives the verb the change. It must be valid.
  void put(const Key& key, dmi::Json object, Origin origin, StagedVerb& verb);
  // Rows that a verb changed, of a device that is staged.
  void put_rows(const dmi::ObjectId& id, std::vector<TwinRow> rows, StagedVerb& verb);
  base::Status too_many_wait(const Key& key);

 private:
  base::Status check_new(const Key& key) const;
  void put_device(Object stored, const dmi::Json& object, StagedVerb& verb);
  // The answer of a verb that leaves the object as after says.
  std::function<void(const base::Status&)> answer(Object after, Core::Done done);

  State& state_;
  Turns& turns_;
};

}  // namespace devicetwin
