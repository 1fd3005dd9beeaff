#include "devicetwin/dmi_link.hpp"

#include "base/log.hpp"
#include "base/text.hpp"
#include "dmi/wire/dmi.hpp"
#include "mapper_link.hpp"
#include "report.hpp"

namespace devicetwin {

using base::cat;
using base::Code;
using base::Status;
using dmi::ObjectId;

namespace {

// Keys of notes: "mapper/NAME" keeps a registration, "gone/NAME/SPACE/DEVICE" a removal that the
// mapper has not confirmed.
constexpr std::string_view mapper_note = "mapper/";
constexpr std::string_view gone_note = "gone/";
// A mapper of ours registers again within this time after a restart of this process; only then are
// the others, which never do, told what they should have.
constexpr auto first_delay = std::chrono::seconds(2);

std::string gone_key(const std::string& mapper, const ObjectId& device) {
  return cat(gone_note, mapper, '/', device.to_string());
}

std::string note_of(const dmi::MapperInfo& info) {
  return dmi::to_text({{"version", info.version},
                       {"api_version", info.api_version},
                       {"protocol", info.protocol},
                       {"address", info.address}});
}

std::optional<dmi::MapperInfo> info_of(const std::string& name, const std::string& note) {
  const auto json = dmi::parse_json(note);
  if (!json || !json->is_object()) return std::nullopt;
  const auto text = [&](const char* key) {
    const auto found = json->find(key);
    return found != json->end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  return dmi::MapperInfo{
      name, text("version"), text("api_version"), text("protocol"), text("address"), "ok"};
}

Status check(const dmi::MapperInfo& info) {
  for (const auto& [what, value] :
       {std::pair{"name", &info.name}, {"protocol", &info.protocol}, {"address", &info.address}}) {
    if (value->empty()) {
      return Status(Code::invalid, cat("mapper ", info.name, ": ", what, " is empty"));
    }
  }
  if (info.name.find('/') != std::string::npos) {
    return Status(Code::invalid, cat("mapper ", info.name, ": a name has no '/'"));
  }
  if (info.address.front() == '/') return Status();
  return Status(Code::invalid,
                cat("mapper ", info.name, ": address ", info.address, " is not an absolute path"));
}

}  // namespace

struct DmiLink::Impl : dmi::wire::ManagerHandler {
  Impl(Core& the_core, Journal& the_journal)
      : core(the_core), journal(the_journal), liveness(the_core.loop()) {}
  ~Impl() override { server.reset(); }

  // ---- on gRPC's threads ----
  void mapper_register(const dmi::wire::Caller&, dmi::MapperInfo mapper, bool with_data,
                       std::function<void(base::Result<dmi::wire::Registration>)> done) override {
    post([this, mapper = std::move(mapper), with_data, done = std::move(done)] {
      take_mapper(mapper, with_data, done);
    });
  }
  void report_status(const dmi::wire::Caller&, dmi::DeviceReport report,
                     dmi::wire::Done done) override {
    post([this, report = std::move(report), done = std::move(done)] {
      core.update_twin(report.device, update_of(report), Origin::mapper,
                       [done](const auto& applied) { done(applied.status()); });
    });
  }
  void report_state(const dmi::wire::Caller&, ObjectId device, std::string state,
                    dmi::wire::Done done) override {
    post([this, device = std::move(device), state = std::move(state), done = std::move(done)] {
      core.update_state(device, state, Origin::mapper, done);
    });
  }
  void report_batch(const dmi::wire::Caller&, const std::string& mapper,
                    std::vector<dmi::wire::BatchItem> items, dmi::wire::BatchDone done) override {
    post([this, mapper, items = std::move(items), done = std::move(done)]() mutable {
      take_batch(mapper, std::move(items), done);
    });
  }
  void batches_ended(const std::string& mapper) override { (void)mapper; }
  // A task that is refused or comes too late drops its completion, which answers unavailable.
  template <class Task>
  void post(Task task) {
    core.loop().post([life = std::weak_ptr(alive), task = std::move(task)]() mutable {
      if (!life.expired()) task();
    });
  }

  // ---- on the loop ----
  void remember(const std::map<std::string, std::string>& notes);
  void take_mapper(const dmi::MapperInfo& info, bool with_data,
                   const std::function<void(base::Result<dmi::wire::Registration>)>& done);
  void take_batch(const std::string& mapper, std::vector<dmi::wire::BatchItem> items,
                  const dmi::wire::BatchDone& done);
  MapperLink& add_link(const dmi::MapperInfo& info, base::Duration delay);
  MapperLink* link_of(std::string_view protocol);
  void explain(const ObjectId& device);
  // Nobody asks this device how it is; one that is gone needs no state.
  void turn_unknown(const ObjectId& device) {
    core.update_state(device, "unknown", Origin::self, [](const Status&) {});
  }
  void look_at_mappers();
  void device_changed(const Change& change);

  Core& core;
  Journal& journal;
  base::Timer liveness;
  std::map<std::string, std::unique_ptr<MapperLink>> links;  // by the mapper's name
  std::shared_ptr<const bool> alive = std::make_shared<const bool>(true);
  std::unique_ptr<dmi::wire::Server> server;
};

void DmiLink::Impl::remember(const std::map<std::string, std::string>& notes) {
  for (const auto& [key, text] : notes) {
    if (!key.starts_with(mapper_note)) continue;
    const auto info = info_of(key.substr(mapper_note.size()), text);
    if (!info || !check(*info).ok()) continue;
    MapperLink& link = add_link(*info, first_delay);
    for (const ObjectId& device : core.devices_of_protocol(info->protocol)) link.may_have(device);
  }
  for (const auto& [key, text] : notes) {
    const auto parts = base::split(key, '/');
    if (parts.size() != 4 || !key.starts_with(gone_note)) continue;
    const auto link = links.find(std::string(parts[1]));
    if (link == links.end()) {
      journal.put_note(key, "");
    } else {
      link->second->may_have({std::string(parts[2]), std::string(parts[3])});
    }
  }
  for (const Object* object : core.list(Kind::device, "")) explain(object->id);
}

MapperLink& DmiLink::Impl::add_link(const dmi::MapperInfo& info, base::Duration delay) {
  auto& link = links[info.name];
  link = std::make_unique<MapperLink>(core, info, delay, [this, name = info.name](auto& device) {
    journal.put_note(gone_key(name, device), "");
    // A device that is still there, without its model, has nobody who asks how it is.
    if (!core.merged_device(device)) turn_unknown(device);
  });
  return *link;
}

MapperLink* DmiLink::Impl::link_of(std::string_view protocol) {
  for (const auto& [name, link] : links) {
    if (link->info().protocol == protocol) return link.get();
  }
  return nullptr;
}

void DmiLink::Impl::take_mapper(
    const dmi::MapperInfo& info, bool with_data,
    const std::function<void(base::Result<dmi::wire::Registration>)>& done) {
  if (const Status status = check(info); !status.ok()) return done(status);
  // One mapper a protocol, the newest, as in KubeEdge; two of one protocol would both write.
  if (MapperLink* other = link_of(info.protocol); other && other->info().name != info.name) {
    base::log_warning(cat("mapper ", info.name, " takes protocol ", info.protocol, " over from ",
                          other->info().name));
    journal.put_note(cat(mapper_note, other->info().name), "");
    links.erase(other->info().name);
  }
  if (links.size() >= max_mappers && !links.contains(info.name)) {
    return done(Status(Code::unavailable, cat("mapper ", info.name, ": ", links.size(),
                                              " mappers have registered, the limit")));
  }
  const auto old = links.find(info.name);
  const bool same = old != links.end() && old->second->info() == info;
  MapperLink& link = same ? *old->second : add_link(info, base::Duration::zero());
  journal.put_note(cat(mapper_note, info.name), note_of(info));
  const Core::Assignment assignment =
      with_data ? core.assignment(info.protocol) : Core::Assignment();
  link.registered(assignment);
  link.down = false;
  base::log_info(cat("mapper ", info.name, " registered for protocol ", info.protocol, " at ",
                     info.address, ": ", assignment.devices.size(), " devices"));
  done(dmi::wire::Registration{assignment.models, assignment.devices});
  for (const ObjectId& device : core.devices_of_protocol(info.protocol)) {
    explain(device);
    if (!with_data) link.look_at(device);
  }
}

void DmiLink::Impl::take_batch(const std::string& mapper, std::vector<dmi::wire::BatchItem> items,
                               const dmi::wire::BatchDone& done) {
  if (!links.contains(mapper)) {
    return done(Status(Code::refused, cat("mapper ", mapper, ": not registered")));
  }
  // Nothing of a report waits for the disk, so every verdict is there when update_twin returns.
  std::vector<Status> verdicts(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    dmi::wire::BatchItem& item = items[i];
    if (!item.report.twins.empty()) {
      core.update_twin(item.report.device, update_of(item.report), Origin::mapper,
                       [&](const auto& applied) { verdicts[i] = applied.status(); });
    }
    if (!item.state.empty() && verdicts[i].ok()) {
      core.update_state(item.report.device, item.state, Origin::mapper,
                        [&](const Status& status) { verdicts[i] = status; });
    }
  }
  done(std::move(verdicts));
}

// Says in the status why nothing happens with a device, or that nothing is in the way.
void DmiLink::Impl::explain(const ObjectId& device) {
  const std::string protocol = core.protocol_of(device);
  const MapperLink* link = link_of(protocol);
  if (link == nullptr) {
    core.set_waiting(device, cat("no mapper has registered for protocol \"", protocol, "\""));
  } else if (link->down) {
    core.set_waiting(
        device, cat("mapper ", link->info().name, " does not answer at ", link->info().address));
  } else {
    core.set_waiting(device, "");
  }
}

void DmiLink::Impl::look_at_mappers() {
  for (const auto& [name, link] : links) {
    const bool down = !link->listening();
    if (down == link->down) continue;
    link->down = down;
    if (down) base::log_warning(cat("mapper ", name, " does not answer at ", link->info().address));
    for (const ObjectId& device : core.devices_of_protocol(link->info().protocol)) {
      explain(device);
      if (down) turn_unknown(device);
    }
  }
  liveness.start(liveness_period, [this] { look_at_mappers(); });
}

void DmiLink::Impl::device_changed(const Change& change) {
  if (change.what != Change::What::deleted) explain(change.id);
  const std::string protocol = core.protocol_of(change.id);
  for (const auto& [name, link] : links) {
    if (link->info().protocol != protocol && !link->knows(change.id)) continue;
    // Remembered on disk: the mapper may be away until long after this process' end.
    if (change.what == Change::What::deleted) journal.put_note(gone_key(name, change.id), "1");
    link->look_at(change.id);
  }
}

base::Result<std::unique_ptr<DmiLink>> DmiLink::start(
    Core& core, Journal& journal, const std::string& socket,
    const std::map<std::string, std::string>& notes) {
  auto impl = std::make_unique<Impl>(core, journal);
  impl->remember(notes);
  auto server = dmi::wire::serve_manager(socket, *impl);
  if (!server) return server.status();
  impl->server = std::move(*server);
  impl->look_at_mappers();
  std::unique_ptr<DmiLink> link(new DmiLink(std::move(impl)));
  core.add_outlet(*link);
  return link;
}

DmiLink::DmiLink(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DmiLink::~DmiLink() = default;

std::size_t DmiLink::mappers() const { return impl_->links.size(); }

void DmiLink::changed(const Change& change) {
  if (change.kind == Kind::device && change.spec_changed) return impl_->device_changed(change);
  if (change.kind != Kind::device_model || !change.spec_changed) return;
  for (const auto& [name, link] : impl_->links) {
    link->look_at_model(change.id);
    for (const ObjectId& device : impl_->core.devices_of_model(change.id)) link->look_at(device);
  }
}

}  // namespace devicetwin
