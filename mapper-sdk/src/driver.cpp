// What the base classes of drivers do by default: refuse every write.
#include "mapper/driver.hpp"

#include "base/text.hpp"

namespace mapper {

namespace {

base::Status unsupported(const Point& point) {
  return base::Status(base::Code::unsupported,
                      base::cat(point.name, ": this driver does not write"));
}

}  // namespace

base::Status Driver::write(std::span<Command> batch) {
  for (Command& command : batch) command.status = unsupported(command.point);
  return base::Status();
}

// The one place where done is called from within: nothing is in flight that could be destroyed, and
// a base class has no loop to post to. Session::finish_write is prepared for it.
void AsyncDriver::write(std::span<Command> batch, Done done) {
  for (Command& command : batch) command.status = unsupported(command.point);
  done(base::Status());
}

}  // namespace mapper
