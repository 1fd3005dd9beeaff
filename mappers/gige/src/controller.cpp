#include "src/controller.hpp"

#include <array>

namespace gige {

base::Result<Control> read_control(GvcpSocket& camera, std::chrono::milliseconds patience) {
  Control control;
  const std::array privilege{gvcp::reg::control_privilege};
  const auto answer = camera.read_registers(privilege, patience);
  if (!answer && answer.status().code() == base::Code::conflict) {
    control.taken = control.denied = true;
    return control;
  }
  if (!answer) return answer.status();
  control.taken = (answer->front() & gvcp::privilege_mask) != 0;
  if (!control.taken) return control;
  const std::array who{gvcp::reg::controller_port, gvcp::reg::controller_ip};
  const auto seen = camera.read_registers(who, patience);
  if (seen) {
    control.by = {(*seen)[1], static_cast<std::uint16_t>((*seen)[0])};
  } else if (seen.status().code() == base::Code::timeout) {
    return seen.status();
  }
  return control;
}

Controller controller_of(const Control& control, bool we_control, const Seen& us) {
  if (!control.taken) return {Controller::Who::nobody, {}};
  const bool tells = control.by.ip != 0;
  if (we_control && !control.denied && (!tells || us.ip == 0 || control.by == us)) {
    return {Controller::Who::us, {}};
  }
  return {Controller::Who::another, tells ? format_ip(control.by.ip) : std::string()};
}

}  // namespace gige
