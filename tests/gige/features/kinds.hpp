// A camera of every kind of feature (tests/data/gige/kinds.xml) in this process, and its registers,
// so that a test can lock, hide and limit features behind the mapper's back.
#pragma once

#include <arv.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "gige/features.hpp"

namespace gige::testing {

struct Unref {
  void operator()(void* object) const { g_object_unref(object); }
};

class KindsTest : public ::testing::Test {
 protected:
  // Registers of kinds.xml.
  static constexpr std::uint32_t reset = 0x8008;
  static constexpr std::uint32_t width = 0x100;
  static constexpr std::uint32_t width_max = 0x11c;
  static constexpr std::uint32_t deep = 0x8020;
  static constexpr std::uint32_t reverse = 0x8024;
  static constexpr std::uint32_t gain_red = 0x8030;
  static constexpr std::uint32_t gain_blue = 0x8034;
  static constexpr std::uint32_t lock = 0x804c;
  static constexpr std::uint32_t secret = 0x8050;
  static constexpr std::uint32_t absent = 0x8054;

  // The file of the camera's description.
  virtual std::string description() { return TEST_DATA "/gige/kinds.xml"; }

  void SetUp() override {
    fake_.reset(arv_gv_fake_camera_new_full("127.0.0.1", "KINDS", description().c_str()));
    ASSERT_TRUE(arv_gv_fake_camera_is_running(fake_.get()));
    const std::unique_ptr<GInetAddress, Unref> here(g_inet_address_new_from_string("127.0.0.1"));
    GError* error = nullptr;
    device_.reset(arv_gv_device_new(here.get(), here.get(), &error));
    ASSERT_EQ(error, nullptr) << error->message;
    features_.emplace(device_.get());
  }

  std::uint32_t reg(std::uint32_t address) {
    std::uint32_t value = 0;
    arv_fake_camera_read_register(arv_gv_fake_camera_get_fake_camera(fake_.get()), address, &value);
    return value;
  }
  void set_reg(std::uint32_t address, std::uint32_t value) {
    arv_fake_camera_write_register(arv_gv_fake_camera_get_fake_camera(fake_.get()), address, value);
  }
  dmi::Value read(const std::string& name, const Selection& selection = {}) {
    const auto value = features_->read(name, selection);
    EXPECT_TRUE(value.ok()) << value.status().text();
    return value ? *value : dmi::Value();
  }
  Feature described(const std::string& name) {
    const auto feature = features_->describe(name);
    EXPECT_TRUE(feature.ok()) << feature.status().text();
    return feature ? *feature : Feature();
  }

  std::unique_ptr<ArvGvFakeCamera, Unref> fake_;
  std::unique_ptr<ArvDevice, Unref> device_;
  std::optional<Features> features_;
};

}  // namespace gige::testing
