// Many small devices: 10,000 TCP connections, 10 registers each, read each second by one process on
// one loop. Then the same with 1 % of them dead: a third refuses connections, a third is silent, a
// third takes 700 ms for every answer; counted is what the others lose.
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/log.hpp"
#include "bench/fleet_rig.hpp"
#include "bench/report.hpp"

namespace {

constexpr int devices = 10'000;
constexpr int points = 10;
constexpr int sick = devices / 100;
constexpr auto warm_up = std::chrono::seconds(6);
constexpr auto counted = std::chrono::seconds(10);

// A port of every address that takes connections and says nothing: nobody accepts them.
class Silent {
 public:
  Silent() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    socklen_t size = sizeof address;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    if (::bind(socket_, any, size) != 0 || ::listen(socket_, 4096) != 0 ||
        ::getsockname(socket_, any, &size) != 0) {
      bench::fail("no silent port");
    }
    port_ = ntohs(address.sin_port);
  }
  ~Silent() { ::close(socket_); }
  Silent(const Silent&) = delete;
  Silent& operator=(const Silent&) = delete;
  int port() const { return port_; }

 private:
  int socket_;
  int port_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  bench::allow_many_descriptors();
  base::set_log_level(base::Level::error);  // the dead are not news here
  bench::Report report(argc, argv);
  const bench::Kind kind{"small", points, false};
  bench::Plant plant(1000);
  std::printf("  %d devices of %d registers, cycle 1 s, one connection each, one loop\n", devices,
              points);
  {
    base::IoLoop loop;
    bench::Rig rig(loop);
    rig.add(kind, 0, devices, plant.port());
    bench::run(loop, {&rig}, warm_up, counted);
    rig.check();
    report.add("devices.rss_mib", "resident memory of the mapper", bench::resident_mib(), "MiB",
               "aim <= 150");
    report.add("devices.cores", "CPU of the mapper", rig.cores(), "cores");
    report.add("devices.late_pct", "cycles > 100 ms late or skipped", rig.late_pct(), "%");
    report.add("", "mean of |achieved - asked cycle|", rig.cycle_error_pct(), "%");
    report.add("", "busiest 10 ms of the second against an even spread", rig.spread(), "x");
  }
  const Silent silent;
  bench::Plant slow(1000, 700);
  base::IoLoop loop;
  bench::Rig well(loop);
  bench::Rig ill(loop);
  well.add(kind, 0, devices - sick, plant.port());
  ill.add({"refusing", points, false}, 0, sick / 3, test_support::free_port());
  ill.add({"silent", points, false}, 0, sick / 3, silent.port());
  ill.add({"slow", points, false}, 0, sick - 2 * (sick / 3), slow.port());
  bench::run(loop, {&well, &ill}, warm_up, counted);
  well.check();
  report.add("devices.late_pct_with_dead", "the same of 99 %, the rest dead, silent or slow",
             well.late_pct(), "%");
  report.add("", "CPU of the mapper then", well.cores(), "cores");
  return 0;
}
