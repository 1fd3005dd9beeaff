// An outbox in a folder that vanishes, with a loop that the test moves.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <ostream>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "devicetwin/outbox.hpp"
#include "support/process.hpp"

namespace devicetwin {

// For gtest's texts.
inline void PrintTo(const Record& record, std::ostream* out) {
  *out << record.sequence << ' ' << record.time_ms << ' ' << record.topic << ' '
       << record.payload.substr(0, 40) << (record.gap ? gap_text(*record.gap) : "") << '\n';
}

namespace test {

class OutboxTest : public ::testing::Test {
 protected:
  std::unique_ptr<Outbox> open(std::uint64_t quota = 1u << 20,
                               std::uint64_t max_bytes = std::uint64_t{1} << 30,
                               std::uint64_t max_file_bytes = 0) {
    auto outbox = Outbox::open(loop_, {.folder = folder_.path(),
                                       .quotas = {{"mqtt", quota}, {"upload", quota}},
                                       .max_bytes = max_bytes,
                                       .max_file_bytes = max_file_bytes,
                                       .check_after = check_after_});
    EXPECT_TRUE(outbox.ok()) << outbox.status().text();
    return outbox.ok() ? std::move(*outbox) : nullptr;
  }
  template <class Answer>
  Answer wait_for(const std::optional<Answer>& answer) {
    EXPECT_TRUE(test_support::wait_until([&] {
      loop_.settle();
      return answer.has_value();
    }));
    return *answer;
  }
  base::Status flush(Outbox& outbox) {
    std::optional<base::Status> answer;
    outbox.flush([&](base::Status status) { answer = status; });
    return wait_for(answer);
  }
  std::vector<Record> read(Outbox& outbox, std::uint64_t after = 0,
                           const std::string& consumer = "mqtt",
                           std::size_t max_bytes = std::size_t{1} << 30) {
    std::optional<base::Result<std::vector<Record>>> answer;
    outbox.read(consumer, after, max_bytes, [&](auto records) { answer = std::move(records); });
    auto records = wait_for(answer);
    EXPECT_TRUE(records.ok()) << records.status().text();
    return records.ok() ? *records : std::vector<Record>();
  }
  bool damaged_file_is_kept() const {
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
      if (entry.path().filename().string().starts_with("outbox.db.damaged-")) return true;
    }
    return false;
  }

  std::chrono::milliseconds check_after_ = std::chrono::hours(1);
  base::ManualLoop loop_;
  test_support::TempFolder folder_;
  const std::filesystem::path file_ = folder_ / "outbox.db";
};

}  // namespace test
}  // namespace devicetwin
