#include "devicetwin/dmi_link.hpp"

#include <utility>

#include "dmi/wire/dmi.hpp"
#include "mappers.hpp"

namespace devicetwin {

using dmi::ObjectId;
using dmi::wire::Caller;

// Reports go before what MQTT clients want: twice the share of theirs.
constexpr auto slice = std::chrono::milliseconds(2);

// gRPC's threads come in here and go to the loop.
struct DmiLink::Impl : dmi::wire::ManagerHandler {
  Impl(Core& the_core, Journal& journal, const Settings& settings)
      : mappers(the_core, journal, settings), lane(the_core.loop(), {.slice = slice}) {}
  ~Impl() override { server.reset(); }

  void mapper_register(const Caller& caller, dmi::MapperInfo mapper, bool with_data,
                       std::function<void(base::Result<dmi::wire::Registration>)> done) override {
    post([this, caller, mapper = std::move(mapper), with_data, done = std::move(done)] {
      mappers.take(caller, mapper, with_data, done);
    });
  }
  void report_status(const Caller& caller, dmi::DeviceReport report,
                     dmi::wire::Done done) override {
    post([this, caller, report = std::move(report), done = std::move(done)] {
      mappers.report_status(caller, report, done);
    });
  }
  void report_state(const Caller& caller, ObjectId device, std::string state,
                    dmi::wire::Done done) override {
    post([this, caller, device = std::move(device), state = std::move(state),
          done = std::move(done)] { mappers.report_state(caller, device, state, done); });
  }
  void report_batch(const Caller& caller, const std::string& mapper,
                    std::vector<dmi::wire::BatchItem> items, dmi::wire::BatchDone done) override {
    post([this, caller, mapper, items = std::move(items), done = std::move(done)]() mutable {
      mappers.report_batch(caller, mapper, std::move(items), done);
    });
  }
  void batches_ended(const std::string& mapper) override {
    post([this, mapper] { mappers.batches_ended(mapper); });
  }

  // A task that is refused or comes too late drops its completion, which answers unavailable. Its
  // bytes are counted where it came in (dmi/wire).
  void post(base::Loop::Task task) { lane.post(0, std::move(task)); }

  Mappers mappers;
  base::Lane lane;
  std::unique_ptr<dmi::wire::Server> server;
};

base::Result<std::unique_ptr<DmiLink>> DmiLink::start(
    Core& core, Journal& journal, const std::string& socket,
    const std::map<std::string, std::string>& notes) {
  return start(core, journal, socket, notes, Settings());
}

base::Result<std::unique_ptr<DmiLink>> DmiLink::start(
    Core& core, Journal& journal, const std::string& socket,
    const std::map<std::string, std::string>& notes, const Settings& settings) {
  auto impl = std::make_unique<Impl>(core, journal, settings);
  impl->mappers.start(notes);
  auto server = dmi::wire::serve_manager(socket, *impl, settings.serve);
  if (!server) return server.status();
  impl->server = std::move(*server);
  std::unique_ptr<DmiLink> link(new DmiLink(std::move(impl)));
  core.add_outlet(*link);
  return link;
}

DmiLink::DmiLink(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DmiLink::~DmiLink() = default;

std::map<std::string, std::string> DmiLink::notes() const { return impl_->mappers.notes(); }
std::size_t DmiLink::mappers() const { return impl_->mappers.size(); }
const DmiLink::Counters& DmiLink::counters() const { return impl_->mappers.counters(); }
dmi::wire::Server::Counters DmiLink::server_counters() const { return impl_->server->counters(); }
base::Lane::Counters DmiLink::lane() const {
  base::Lane::Counters lane = impl_->lane.counters();
  lane.bytes += server_counters().open_bytes;
  return lane;
}
std::vector<DmiLink::MapperView> DmiLink::mappers_view() const { return impl_->mappers.view(); }

void DmiLink::changed(const Change& change) {
  if (change.kind == Kind::device) impl_->mappers.device_changed(change);
  if (change.kind == Kind::device_model && change.spec_changed) {
    impl_->mappers.model_changed(change.id);
  }
}

}  // namespace devicetwin
