// A camera's GenICam features, by name: what they are, may be, and are now. On Aravis; the camera's
// own description says everything, nothing is known here but the old names of standard features.
// One thread at a time. Calls ask the camera: 0.1 ms each, seconds when it has gone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.hpp"
#include "dmi/value.hpp"
#include "gige/find.hpp"

typedef struct _ArvDevice ArvDevice;

namespace gige {

enum class Kind : std::uint8_t { integer, floating, boolean, enumeration, string, command, bytes };
enum class Access : std::uint8_t { none, read, write, read_write };  // none: not available now
std::string_view name(Kind kind);      // "integer" … as in `features`
std::string_view name(Access access);  // "-", "RO", "WO", "RW"

struct Feature {
  std::string name;
  std::string category;  // "ImageFormatControl"
  std::string description;
  std::string unit;
  std::string visibility;  // "Beginner", "Expert", "Guru", "Invisible"
  Kind kind = Kind::string;
  Access access = Access::none;
  bool locked = false;  // writable once the camera lets go: mostly when it does not stream
  // integer and floating: what the camera allows now, which other features change. Both in one
  // form, to be shown: integers up to 2^53 are exact. write() compares integers as integers.
  std::optional<double> minimum;
  std::optional<double> maximum;
  std::optional<double> increment;
  std::vector<std::string> entries;    // of an enumeration: those available now
  std::vector<std::string> selectors;  // "GainSelector"
  std::optional<dmi::Value> value;     // when asked for and readable
};

// Features to set first: {{"GainSelector", "Red"}}. In order.
using Selection = std::vector<std::pair<std::string, std::string>>;

class Features {
 public:
  // device must outlive this.
  explicit Features(ArvDevice* device);

  // Everything below Root, by category, depth first; at most 20,000 features, categories in each
  // other 32 deep. When the camera falls silent the rest is listed by name and category alone.
  std::vector<Feature> list(bool with_values);
  // not_found: no such feature, the text gives the nearest names. A name of the old standard
  // (ExposureTimeAbs, GainRaw, AcquisitionFrameRateAbs …) finds today's when the camera has only
  // that, and the other way round. timeout, unavailable: the camera.
  base::Result<Feature> describe(std::string_view name);

  // Booleans, integers, doubles; enumerations and strings as text; a command reads as whether it is
  // still running. not_found; refused: not readable now; timeout, unavailable: the camera.
  base::Result<dmi::Value> read(std::string_view name, const Selection& selection = {});

  // Takes what the value means: finite numbers for numbers (a float for an integer feature only
  // when whole), entries by name or number, booleans; any value executes a command. Checked against
  // the camera's own limits, now, before anything is written. Integers, entries and texts are read
  // back; floats, which the camera may round, and booleans and "Once", which fall back by
  // themselves, are not.
  // out_of_range: "Width: 99999 is above 2048; the camera allows 1..2048 now", a longer text than
  // the camera holds; invalid: another type, no such entry now (the text lists them); refused: not
  // writable now (locked while streaming?), or written and ignored: "Width: the camera took 640 and
  // is still 512"; timeout, unavailable: the camera, also when it leaves its limits unanswered.
  base::Status write(std::string_view name, const dmi::Value& value,
                     const Selection& selection = {});

  // Whether the camera lets this be changed only while it does not stream: sizes, offsets, binning,
  // pixel format, and what it says itself (TLParamsLocked).
  bool needs_stop(std::string_view name);
  bool has(std::string_view name);

 private:
  base::Status select(const Selection& selection);

  ArvDevice* device_;
};

// A ready DeviceModel (YAML) of these features, with ranges and units; and a Device that uses it.
std::string to_device_model(const CameraInfo& camera, const std::vector<Feature>& features);

}  // namespace gige
