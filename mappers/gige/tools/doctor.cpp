// doctor: why frames are lost, and the cure.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <fstream>
#include <map>
#include <thread>

#include "base/text.hpp"
#include "gige/bandwidth.hpp"
#include "gige/features.hpp"
#include "mapper/verb.hpp"
#include "tools/tools.hpp"

namespace gige_tools {

namespace {

using base::cat;
using base::Result;
using base::Status;
using gige::Camera;
using gige::CameraInfo;

std::uint64_t number_in(const std::string& path) {
  std::ifstream file(path);
  std::int64_t number = 0;
  return file >> number && number > 0 ? static_cast<std::uint64_t>(number) : 0;
}

struct Patient {
  CameraInfo info;
  std::unique_ptr<Camera> camera;
  Status trouble;
  double seconds = 0;
  std::uint64_t frame_bytes = 0;
  double asked = 0;      // frames/s
  double link_mbit = 0;  // 0: nobody says
  bool triggered = false;
};

double feature(gige::Features& features, std::string_view name) {
  const Result<dmi::Value> value = features.read(name);
  double number = 0;
  return value && dmi::to_number(*value, number) ? number : 0;
}

void examine(Patient& patient, std::chrono::milliseconds time) {
  auto camera = Camera::open(patient.info, {});
  if (!camera) {
    patient.trouble = camera.status();
    return;
  }
  patient.camera = std::move(*camera);
  gige::Features features(patient.camera->device());
  const Result<dmi::Value> mode = features.read("TriggerMode");
  patient.triggered = mode && *mode == dmi::Value(std::string("On"));
  patient.asked = feature(features, "AcquisitionFrameRate");
  patient.frame_bytes = static_cast<std::uint64_t>(feature(features, "PayloadSize"));
  patient.link_mbit = feature(features, "GevLinkSpeed");
  if (patient.link_mbit == 0) {
    patient.link_mbit = static_cast<double>(
        number_in(cat("/sys/class/net/", patient.info.interface_name, "/speed")));
  }
  patient.trouble = patient.camera->start(cat("gige-doctor-", getpid(), "-", patient.info.serial),
                                          0, [](const auto&, const gige::FrameInfo&) {});
  if (!patient.trouble.ok()) return;
  const auto begun = std::chrono::steady_clock::now();
  std::this_thread::sleep_for(time);
  patient.trouble = patient.camera->stop();
  patient.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
}

gige::Load load_of(const Patient& patient) {
  const auto& counters = patient.camera->counters();
  const double achieved =
      patient.seconds > 0 ? static_cast<double>(counters.complete) / patient.seconds : 0;
  return {patient.info.serial, patient.frame_bytes, patient.asked > 0 ? patient.asked : achieved,
          patient.camera->packet_size() > 0 ? patient.camera->packet_size() : 1500};
}

// One line for each camera of an interface, and the link's. The percentage of the link; 0: unknown.
double print_link(const std::string& interface, const std::vector<Patient*>& patients) {
  double mbit = 0;
  std::vector<gige::Load> loads;
  for (const Patient* patient : patients) {
    loads.push_back(load_of(*patient));
    if (patient->link_mbit > 0) {
      mbit = mbit == 0 ? patient->link_mbit : std::min(mbit, patient->link_mbit);
    }
  }
  if (mbit == 0) {
    std::printf("link %s: nobody tells its speed; no budget\n", interface.c_str());
    return 0;
  }
  const gige::Budget budget = gige::budget(loads, mbit);
  std::printf("link %s: %.0f Mbit/s, %.1f %% asked for\n", interface.c_str(), mbit, budget.percent);
  for (std::size_t i = 0; i < loads.size(); ++i) {
    const gige::Share& share = budget.shares[i];
    std::printf(
        "  %s: %.1f %% at %.1f frames/s; up to %.1f frames/s fit; packetDelay %lld ns spreads "
        "a frame over its period\n",
        loads[i].name.c_str(), share.percent, loads[i].frames_per_s, share.longest_rate,
        static_cast<long long>(share.delay_ns));
  }
  return budget.percent;
}

void print_counters(const Patient& patient) {
  const gige::StreamCounters c = patient.camera->counters();
  std::printf(
      "camera %s (%s, %s): %llu frames in %.1f s, %.1f frames/s, %.1f MB/s, packets of %d bytes "
      "through %s\n",
      patient.info.serial.c_str(), patient.info.model.c_str(), patient.info.ip.c_str(),
      static_cast<unsigned long long>(c.complete), patient.seconds,
      static_cast<double>(c.complete) / patient.seconds,
      static_cast<double>(c.bytes) / patient.seconds / 1e6, patient.camera->packet_size(),
      patient.camera->packet_socket() ? "the kernel's packet ring" : "a plain socket");
  std::printf(
      "  lost frames: %llu with gaps, %llu aborted, %llu without a buffer, %llu malformed; "
      "packets: "
      "%llu lost, %llu resent, %llu foreign\n",
      static_cast<unsigned long long>(c.missing_packets),
      static_cast<unsigned long long>(c.aborted), static_cast<unsigned long long>(c.underrun),
      static_cast<unsigned long long>(c.malformed), static_cast<unsigned long long>(c.lost_packets),
      static_cast<unsigned long long>(c.resent_packets),
      static_cast<unsigned long long>(c.foreign_packets));
}

// How many findings there were.
std::size_t print_findings(const Patient& patient, double link_percent) {
  const gige::LinkSettings defaults;
  gige::Evidence evidence;
  evidence.counters = patient.camera->counters();
  evidence.packet_size = patient.camera->packet_size();
  evidence.interface = patient.info.interface_name;
  evidence.mtu =
      static_cast<int>(number_in(cat("/sys/class/net/", patient.info.interface_name, "/mtu")));
  evidence.packet_socket = patient.camera->packet_socket();
  evidence.may_use_packet_socket = evidence.packet_socket || geteuid() == 0;
  evidence.buffers = defaults.buffers;
  evidence.frame_bytes = patient.frame_bytes;
  evidence.receive_buffer_max = number_in("/proc/sys/net/core/rmem_max");
  evidence.link_percent = link_percent;
  evidence.triggered = patient.triggered;
  const std::vector<gige::Finding> findings = gige::diagnose(evidence);
  for (const gige::Finding& finding : findings) {
    std::printf("  - %s\n    cure: %s\n", finding.cause.c_str(), finding.cure.c_str());
  }
  if (findings.empty()) std::printf("  nothing is amiss\n");
  return findings.size();
}

}  // namespace

int doctor_verb(int argc, char** argv) {
  std::vector<std::string> names;
  std::string interface;
  double seconds = 3;
  CLI::App app("Streams each camera for a while and tells why frames are lost, with the cure.",
               argv[0]);
  app.footer(
      "Cameras that a mapper controls are named and left alone: their twins have the counters.\n"
      "Exit status: 0 all well; 1 findings, or a camera was not reached; 2 wrong flags.");
  app.add_option("CAMERA", names, "serial numbers, addresses or names (default: all)")
      ->type_name("CAMERA");
  app.add_option("--seconds", seconds, "of streaming each")
      ->check(CLI::Range(0.2, 3600.0))
      ->capture_default_str();
  app.add_option("--interface", interface, "only there: eth1, or our own address on it")
      ->type_name("IF");
  if (const auto status = mapper::parse_flags(app, argc, argv)) return *status;

  std::vector<Patient> patients;
  if (names.empty()) {
    const auto found = gige::discover(interface, std::chrono::milliseconds(1000));
    if (!found) return failed(found.status());
    for (const CameraInfo& info : *found) patients.emplace_back().info = info;
  }
  for (const std::string& name : names) {
    const Result<CameraInfo> info = find_camera(name, interface);
    if (!info) return failed(info.status());
    patients.emplace_back().info = *info;
  }
  if (patients.empty())
    return failed(Status(base::Code::not_found, "no camera answered within 1 s"));

  std::map<std::string, std::vector<Patient*>> links;
  bool well = true;
  for (Patient& patient : patients) {
    std::fprintf(stderr, "streaming camera %s for %.1f s …\n", patient.info.serial.c_str(),
                 seconds);
    examine(patient, std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000)));
    if (patient.trouble.ok()) {
      links[patient.info.interface_name].push_back(&patient);
    } else {
      std::printf("camera %s: %s\n", patient.info.serial.c_str(), patient.trouble.text().c_str());
      well = false;
    }
  }
  for (const auto& [name, examined] : links) {
    const double percent = print_link(name, examined);
    for (const Patient* patient : examined) {
      print_counters(*patient);
      well = print_findings(*patient, percent) == 0 && well;
    }
  }
  return well ? 0 : mapper::exit_failed;
}

}  // namespace gige_tools
