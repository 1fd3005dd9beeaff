// The smallest complete mapper: a device is a folder, a property is a text file in it (sysfs,
// procfs, a file another program writes). Reading parses the first line, writing replaces it.
//
//   protocol.configData: {folder: /sys/class/thermal/thermal_zone0}
//   visitors.configData: {file: temp, scale: 0.001}
#include <filesystem>
#include <fstream>

#include "base/text.hpp"
#include "mapper/driver.hpp"

namespace {

namespace fs = std::filesystem;
using base::Code, base::Status;

class TextFiles final : public mapper::Driver {
 public:
  static base::Result<std::unique_ptr<Driver>> open(const mapper::Target& target, mapper::Sink) {
    auto folder = target.protocol.need_text("folder");
    if (!folder) return folder.status();
    std::vector<fs::path> files;
    for (const mapper::Point& point : target.points) {
      auto file = point.visitor.need_text("file");
      if (!file) return file.status();
      files.push_back(fs::path(*folder) / *file);
    }
    if (!fs::is_directory(*folder)) return Status(Code::unavailable, *folder + ": no such folder");
    return std::unique_ptr<Driver>(new TextFiles(std::move(files)));
  }

  Status read(std::span<mapper::Reading> batch) override {
    for (auto& [point, sample] : batch) {
      auto value = read_one(point);
      const base::Time now = std::chrono::system_clock::now();
      sample = value ? dmi::Sample(*value, now) : dmi::Sample(value.status(), now);
    }
    return Status();  // the device was reached
  }

  Status write(std::span<mapper::Command> batch) override {
    for (auto& [point, value, status] : batch) {
      std::ofstream out(files_[point.index]);
      out << dmi::to_text(value, point.type) << '\n' << std::flush;
      status = out ? Status() : Status(Code::refused, files_[point.index].string() + ": no write");
    }
    return Status();
  }

 private:
  explicit TextFiles(std::vector<fs::path> files) : files_(std::move(files)) {}

  base::Result<dmi::Value> read_one(const mapper::Point& point) const {
    std::ifstream in(files_[point.index]);
    std::string line;
    if (!std::getline(in, line)) return Status(Code::not_found, files_[point.index].string());
    return dmi::parse_value(line, point.type);
  }

  const std::vector<fs::path> files_;  // by point.index
};

}  // namespace

int main(int argc, char** argv) {
  return mapper::run(argc, argv, {.name = "textfile", .open = TextFiles::open});
}
