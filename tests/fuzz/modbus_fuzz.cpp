// What a device sends: a stream of bytes into the MBAP decoder, its frames against a request.
#include <algorithm>
#include <cstdint>

#include "modbus/mbap.hpp"
#include "modbus/pdu.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const modbus::Pdu request = modbus::read_request({modbus::Table::holding, 0, 10});
  modbus::MbapDecoder decoder;
  while (size > 0) {
    const auto space = decoder.space();
    const std::size_t count = std::min(size, space.size());
    std::copy_n(data, count, space.begin());
    decoder.received(count);
    data += count;
    size -= count;
    for (;;) {
      const auto frame = decoder.next();
      if (!frame) return 0;
      if (!*frame) break;
      const modbus::Bytes answer = (*frame)->pdu;
      if (modbus::check_answer(request.bytes(), answer).ok()) {
        for (std::size_t i = 0; i < 10; ++i) modbus::word_at(modbus::payload(answer), i);
      }
    }
  }
  return 0;
}
