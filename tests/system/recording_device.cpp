#include "system/recording_device.hpp"

#include <modbus/modbus.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <stdexcept>

#include "base/text.hpp"
#include "support/process.hpp"

namespace system_test {

namespace {

// One request at a time, on a connection that is given.
struct Link {
  Link() : context(modbus_new_tcp("127.0.0.1", 0)) {}
  ~Link() { modbus_free(context); }
  modbus_t* context;
};

struct Mapping {
  explicit Mapping(int registers)
      : mapping(modbus_mapping_new(0, 0, registers, RecordingDevice::moving)) {}
  ~Mapping() { modbus_mapping_free(mapping); }
  modbus_mapping_t* mapping;
};

std::uint16_t word(const std::uint8_t* bytes) {
  return static_cast<std::uint16_t>(bytes[0] << 8 | bytes[1]);
}

}  // namespace

RecordingDevice::RecordingDevice(Recorder& recorder, std::vector<std::string> keys)
    : recorder_(recorder), keys_(std::move(keys)), words_(keys_.size() * 2) {
  port_ = test_support::free_port();
  Link link;
  modbus_free(link.context);
  link.context = modbus_new_tcp("127.0.0.1", port_);
  listener_ = modbus_tcp_listen(link.context, 8);
  if (listener_ < 0) throw std::runtime_error(base::cat("cannot listen at port ", port_));
  thread_ = std::thread([this] { serve(); });
}

RecordingDevice::~RecordingDevice() {
  stop_ = true;
  thread_.join();
  ::close(listener_);
}

std::uint32_t RecordingDevice::held(std::size_t setting) const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::uint32_t>(words_[2 * setting] << 16 | words_[2 * setting + 1]);
}

void RecordingDevice::turn(std::size_t setting, std::uint32_t value) {
  const std::lock_guard lock(mutex_);
  words_[2 * setting] = static_cast<std::uint16_t>(value >> 16);
  words_[2 * setting + 1] = static_cast<std::uint16_t>(value);
  recorder_.add(PanelChange{keys_[setting], base::cat(value)});
}

void RecordingDevice::die() {
  recorder_.add(What::link_lost);
  dead_ = true;
}

void RecordingDevice::revive() { dead_ = false; }

void RecordingDevice::serve() {
  std::vector<pollfd> sockets = {{listener_, POLLIN, 0}};
  const auto drop = [&](std::size_t i) {
    ::close(sockets[i].fd);
    sockets.erase(sockets.begin() + static_cast<std::ptrdiff_t>(i));
  };
  while (!stop_) {
    ::poll(sockets.data(), sockets.size(), 20);
    if ((sockets[0].revents & POLLIN) != 0) {
      const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (connection >= 0) sockets.push_back({connection, POLLIN, 0});
    }
    for (std::size_t i = sockets.size() - 1; i > 0; --i) {
      if (dead_ || (sockets[i].revents != 0 && !answer(sockets[i].fd))) drop(i);
    }
  }
  while (sockets.size() > 1) drop(sockets.size() - 1);
}

bool RecordingDevice::answer(int connection) {
  Link link;
  modbus_set_socket(link.context, connection);
  std::uint8_t request[MODBUS_TCP_MAX_ADU_LENGTH];
  const int length = modbus_receive(link.context, request);
  if (length <= 0) return length == 0;
  ++requests_;
  const int header = modbus_get_header_length(link.context);
  const std::uint8_t function = request[header];
  const bool writes =
      function == MODBUS_FC_WRITE_SINGLE_REGISTER || function == MODBUS_FC_WRITE_MULTIPLE_REGISTERS;
  if (writes) take_write(request + header, static_cast<std::size_t>(length - header));
  if (writes && lose_next_answer_.exchange(false)) {
    recorder_.add(What::link_lost);
    return false;
  }
  Mapping memory(static_cast<int>(words_.size()));
  {
    const std::lock_guard lock(mutex_);
    std::copy(words_.begin(), words_.end(), memory.mapping->tab_registers);
  }
  for (int i = 0; i < moving; ++i) {
    memory.mapping->tab_input_registers[i] =
        static_cast<std::uint16_t>(requests_ + static_cast<unsigned>(i));
  }
  return modbus_reply(link.context, request, length, memory.mapping) >= 0;
}

void RecordingDevice::take_write(const std::uint8_t* pdu, std::size_t bytes) {
  const std::size_t first = word(pdu + 1);
  const bool single = pdu[0] == MODBUS_FC_WRITE_SINGLE_REGISTER;
  const std::size_t count = single ? 1 : word(pdu + 3);
  const std::uint8_t* const values = pdu + (single ? 3 : 6);
  if (first + count > words_.size() || values + 2 * count > pdu + bytes) return;
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < count; ++i) words_[first + i] = word(values + 2 * i);
  // A setting is taken when its low word is.
  for (std::size_t address = first; address < first + count; ++address) {
    if (address % 2 == 0) continue;
    const auto value = static_cast<std::uint32_t>(words_[address - 1] << 16 | words_[address]);
    recorder_.add(Actuation{keys_[address / 2], base::cat(value)});
  }
}

}  // namespace system_test
