// Certificates made by openssl for the occasion: NAME.crt and NAME.key, PEM, good for two days. One
// thread.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "support/process.hpp"

namespace test_support {

class Certificates {
 public:
  explicit Certificates(std::filesystem::path folder) : folder_(std::move(folder)) {}

  std::string file(const std::string& name) const { return (folder_ / name).string(); }
  void make_ca(const std::string& name) const {
    openssl({"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-days", "2", "-subj", "/CN=" + name, "-keyout", file(name + ".key"), "-out",
             file(name + ".crt")});
  }
  // For alt ("IP:127.0.0.1"), signed by ca.
  void make(const std::string& name, const std::string& ca, const std::string& alt) const {
    openssl({"req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
             "/CN=" + name, "-keyout", file(name + ".key"), "-out", file(name + ".csr")});
    std::ofstream(file(name + ".ext")) << "subjectAltName=" << alt << "\n";
    openssl({"x509", "-req", "-in", file(name + ".csr"), "-CA", file(ca + ".crt"), "-CAkey",
             file(ca + ".key"), "-CAcreateserial", "-days", "2", "-extfile", file(name + ".ext"),
             "-out", file(name + ".crt")});
  }

 private:
  static void openssl(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), find_program("openssl"));
    const auto outcome = run(arguments);
    EXPECT_EQ(outcome.exit, 0) << outcome.output;
  }

  std::filesystem::path folder_;
};

}  // namespace test_support
