// Real lines. A file of its own: tests of Buses link without them.
#include "modbus/buses.hpp"

namespace modbus {

base::Result<std::shared_ptr<Link>> Buses::get(base::IoLoop& loop, const Settings& settings) {
  return get(loop, settings, [&loop](const Endpoint& endpoint, Line::Client& client) {
    return make_line(loop, endpoint, client);
  });
}

}  // namespace modbus
