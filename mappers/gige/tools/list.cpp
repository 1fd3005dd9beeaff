// list: which cameras are there.
#include <CLI/CLI.hpp>

#include "base/text.hpp"
#include "dmi/json.hpp"
#include "mapper/verb.hpp"
#include "tools/tools.hpp"

namespace gige_tools {

namespace {

using base::Result;
using gige::CameraInfo;
using gige::Controller;

std::string who(const CameraInfo& info) {
  if (!info.reachable) return "unreachable: its address is not in the interface's network";
  const auto camera = gige::Camera::open(info, {}, false);
  if (!camera) return camera.status().text();
  const Controller controller = (*camera)->controller();
  switch (controller.who) {
    case Controller::Who::nobody:
      return "nobody";
    case Controller::Who::another:
      return controller.ip.empty() ? "another program" : controller.ip;
    default:
      return "unknown";
  }
}

}  // namespace

int list_verb(int argc, char** argv) {
  std::string interface;
  bool json = false;
  CLI::App app("Tells which cameras are there. Asks only; takes control of none.", argv[0]);
  app.footer("Exit status: 0 cameras were found; 1 none; 2 wrong flags.");
  app.add_option("--interface", interface, "only there: eth1, or our own address on it")
      ->type_name("IF");
  app.add_flag("--json", json, "for programs");
  if (const auto status = mapper::parse_flags(app, argc, argv)) return *status;
  const Result<std::vector<CameraInfo>> found =
      gige::discover(interface, std::chrono::milliseconds(1000));
  if (!found) return failed(found.status());
  std::vector<std::vector<std::string>> rows{
      {"SERIAL", "NAME", "MODEL", "MANUFACTURER", "IP", "MAC", "INTERFACE", "CONTROLLED BY"}};
  dmi::Json list = dmi::Json::array();
  for (const CameraInfo& info : *found) {
    const std::string controller = who(info);
    rows.push_back({info.serial, info.user_name, info.model, info.manufacturer, info.ip, info.mac,
                    info.interface_name, controller});
    list.push_back({{"serial", info.serial},
                    {"userName", info.user_name},
                    {"model", info.model},
                    {"manufacturer", info.manufacturer},
                    {"version", info.version},
                    {"ip", info.ip},
                    {"mac", info.mac},
                    {"interface", info.interface_name},
                    {"interfaceIp", info.interface_ip},
                    {"reachable", info.reachable},
                    {"controller", controller}});
  }
  if (json) {
    std::printf("%s\n", list.dump(2).c_str());
  } else if (found->empty()) {
    std::fprintf(stderr,
                 "no camera answered within 1 s; is it on, and in the network of an "
                 "interface of this host (ip address)?\n");
  } else {
    print_table(rows);
  }
  return found->empty() ? mapper::exit_failed : 0;
}

}  // namespace gige_tools
