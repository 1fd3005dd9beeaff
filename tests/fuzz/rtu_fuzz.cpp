// What a serial line carries: a stream of bytes into the RTU decoder while an answer is awaited.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "modbus/pdu.hpp"
#include "modbus/rtu.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const modbus::Pdu request = modbus::read_request({modbus::Table::holding, 0, 10});
  modbus::RtuDecoder decoder;
  decoder.await(1, request.bytes());
  // The first byte says in what pieces the rest arrives.
  const std::size_t most = size > 0 ? *data % 64 + 1u : 1;
  while (size > 0) {
    const auto space = decoder.space();
    if (space.empty()) std::abort();
    const std::size_t count = std::min({size, space.size(), most});
    std::copy_n(data, count, space.begin());
    decoder.received(count);
    data += count;
    size -= count;
    while (const auto frame = decoder.next()) {
      if (!frame->awaited) continue;
      const auto status = modbus::check_answer(request.bytes(), frame->pdu);
      if (status.code() == base::Code::malformed) std::abort();
    }
  }
  decoder.silent();
  if (decoder.next()) decoder.next();
  return 0;
}
