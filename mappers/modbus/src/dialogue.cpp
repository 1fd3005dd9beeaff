#include "dialogue.hpp"

#include <algorithm>
#include <array>
#include <cassert>

#include "base/text.hpp"

namespace modbus {

using base::cat;
using base::Code;
using base::Result;
using base::Status;

namespace {

class MbapDialogue final : public Dialogue {
 public:
  using Dialogue::Dialogue;

  std::span<std::uint8_t> space() override { return decoder_.space(); }
  void received(std::size_t count) override { decoder_.received(count); }
  Result<std::optional<Answer>> next() override;
  void boundary() override { decoder_.reset(); }
  Clock::time_point clear_at(const Line::Request&) const override { return {}; }
  bool drains() const override { return false; }
  void reset() override;

 private:
  std::size_t frame(const Line::Request& request,
                    std::span<std::uint8_t, max_adu_bytes> out) override {
    return encode(Adu{++transaction_, request.unit, request.pdu->bytes()}, out);
  }
  void missed(const Line::Request& request, Clock::time_point now) override;
  bool was_missed(std::uint16_t transaction) const;

  MbapDecoder decoder_;
  std::uint16_t transaction_ = 0;
  // Transaction ids of requests given up, so that a late answer is known as one. Requests go one at
  // a time and a connection that stays silent is ended by its bus, so few are needed.
  std::array<std::uint16_t, 32> missed_{};
  std::uint8_t next_missed_ = 0;
  std::uint8_t missed_count_ = 0;
};

Result<std::optional<Answer>> MbapDialogue::next() {
  for (;;) {
    const auto adu = decoder_.next();
    if (!adu) {
      ++counters_.malformed;
      return adu.status();
    }
    if (!adu->has_value()) return std::optional<Answer>();
    if (!asking_ || (*adu)->transaction != transaction_) {
      ++(was_missed((*adu)->transaction) ? counters_.late : counters_.foreign);
      continue;
    }
    if ((*adu)->unit == request_.unit) return std::optional(checked(request_, (*adu)->pdu));
    asking_ = false;
    ++counters_.malformed;
    return std::optional(
        Answer{Status(Code::malformed, cat("unit ", (*adu)->unit, " answered instead")), {}});
  }
}

void MbapDialogue::missed(const Line::Request&, Clock::time_point) {
  missed_[next_missed_] = transaction_;
  next_missed_ = static_cast<std::uint8_t>((next_missed_ + 1u) % missed_.size());
  if (missed_count_ < missed_.size()) ++missed_count_;
}

bool MbapDialogue::was_missed(std::uint16_t transaction) const {
  for (std::size_t i = 0; i < missed_count_; ++i) {
    if (missed_[i] == transaction) return true;
  }
  return false;
}

void MbapDialogue::reset() {
  asking_ = false;
  decoder_.reset();
  missed_count_ = next_missed_ = 0;
}

// RTU has no transaction ids: a late answer can be told from the next one's only by unit and
// function (an exception has no length to go by). So a request to the same unit with the same
// function as one given up waits until the late answer has come, or for one more time-out of the
// one given up. Requests to others go out meanwhile.
class RtuDialogue final : public Dialogue {
 public:
  using Dialogue::Dialogue;

  std::span<std::uint8_t> space() override { return decoder_.space(); }
  void received(std::size_t count) override { decoder_.received(count); }
  Result<std::optional<Answer>> next() override;
  void boundary() override;
  Clock::time_point clear_at(const Line::Request& request) const override;
  bool drains() const override { return true; }
  void reset() override;

 private:
  struct Missed {
    std::uint8_t unit = 0;
    std::uint8_t function = 0;
    Clock::time_point until;
  };

  std::size_t frame(const Line::Request& request,
                    std::span<std::uint8_t, max_adu_bytes> out) override;
  void missed(const Line::Request& request, Clock::time_point now) override;
  void not_awaited(const RtuDecoder::Frame& frame);
  void count();

  RtuDecoder decoder_;
  std::uint64_t skipped_ = 0;    // of the decoder's, what is counted already
  std::uint64_t malformed_ = 0;  // likewise
  // The last ones given up. A unit is given up twice before its bus leaves it alone for a while:
  // eight cover four units that die at once, and the oldest is the likeliest to be past.
  std::array<Missed, 8> missed_{};
  std::uint8_t next_missed_ = 0;
};

std::size_t RtuDialogue::frame(const Line::Request& request,
                               std::span<std::uint8_t, max_adu_bytes> out) {
  if (!request.broadcast) decoder_.await(request.unit, request.pdu->bytes());
  return encode_rtu(request.unit, request.pdu->bytes(), out.first<max_rtu_bytes>());
}

Result<std::optional<Answer>> RtuDialogue::next() {
  for (;;) {
    const auto frame = decoder_.next();
    count();
    if (!frame) return std::optional<Answer>();
    if (asking_ && frame->awaited) {
      decoder_.await_nothing();
      return std::optional(checked(request_, frame->pdu));
    }
    not_awaited(*frame);
  }
}

// The one place where an answer that came late ends the wait for it.
void RtuDialogue::not_awaited(const RtuDecoder::Frame& frame) {
  const auto function = static_cast<std::uint8_t>(frame.pdu[0] & 0x7f);
  for (Missed& missed : missed_) {
    if (missed.function != function || missed.unit != frame.unit) continue;
    missed = Missed();
    ++counters_.late;
    return;
  }
  ++counters_.foreign;
}

void RtuDialogue::boundary() {
  decoder_.silent();
  // Nothing is awaited here: what is left are bytes without a frame.
  const auto rest = next();
  assert(rest && !*rest);
}

void RtuDialogue::count() {
  counters_.dropped_bytes += decoder_.skipped_bytes() - skipped_;
  counters_.malformed += decoder_.malformed() - malformed_;
  skipped_ = decoder_.skipped_bytes();
  malformed_ = decoder_.malformed();
}

void RtuDialogue::missed(const Line::Request& request, Clock::time_point now) {
  decoder_.await_nothing();
  missed_[next_missed_] = {request.unit, request.pdu->bytes()[0], now + request.timeout};
  next_missed_ = static_cast<std::uint8_t>((next_missed_ + 1u) % missed_.size());
}

Clock::time_point RtuDialogue::clear_at(const Line::Request& request) const {
  Clock::time_point clear{};
  if (request.broadcast) return clear;
  for (const Missed& missed : missed_) {
    const bool alike = missed.unit == request.unit && missed.function == request.pdu->bytes()[0];
    if (alike) clear = std::max(clear, missed.until);
  }
  return clear;
}

// A converter may still hold an answer when it is dialled anew: what was given up stays known.
void RtuDialogue::reset() {
  asking_ = false;
  decoder_.reset();
}

}  // namespace

std::size_t Dialogue::ask(const Line::Request& request,
                          std::span<std::uint8_t, max_adu_bytes> out) {
  request_ = request;
  asking_ = !request.broadcast;
  foreign_before_ = counters_.foreign;
  malformed_before_ = counters_.malformed;
  ++counters_.requests;
  return frame(request, out);
}

Answer Dialogue::checked(const Line::Request& request, Bytes pdu) {
  asking_ = false;
  Status status = check_answer(request.pdu->bytes(), pdu);
  ++(status.code() == Code::malformed ? counters_.malformed : counters_.answers);
  return {std::move(status), pdu};
}

std::string Dialogue::give_up(const Line::Request& request, Clock::time_point now) {
  asking_ = false;
  ++counters_.timeouts;
  missed(request, now);
  std::string text = cat("did not answer within ", request.timeout.count(), " ms");
  if (const auto foreign = counters_.foreign - foreign_before_; foreign > 0) {
    text += cat(", but ", foreign, " answers to other transactions came");
  }
  if (const auto malformed = counters_.malformed - malformed_before_; malformed > 0) {
    text += cat(", but ", malformed, " frames with a wrong checksum came");
  }
  return text;
}

std::unique_ptr<Dialogue> make_dialogue(Framing framing, Line::Counters& counters) {
  if (framing == Framing::rtu) return std::make_unique<RtuDialogue>(counters);
  return std::make_unique<MbapDialogue>(counters);
}

}  // namespace modbus
