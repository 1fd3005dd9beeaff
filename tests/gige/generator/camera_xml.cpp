#include "generator/camera_xml.hpp"

#include <cstdio>
#include <initializer_list>
#include <map>
#include <vector>

#include "base/text.hpp"
#include "generator/pattern.hpp"
#include "generator/registers.hpp"

namespace generator {

namespace {

using base::cat;

struct Entry {
  std::string_view name;
  std::uint32_t value;
};

// Puts nodes down one after the other and remembers what belongs to which category.
class Writer {
 public:
  void category(std::string_view name) {
    current_ = name;
    order_.emplace_back(name);
  }

  // extra: further elements of the feature, of its register below.
  void integer(std::string_view name, std::uint32_t at, std::string_view access,
               std::string_view extra, std::string_view register_extra = "") {
    open("Integer", name);
    text_ += cat(extra, "<pValue>", name, "Reg</pValue></Integer>\n");
    int_register(cat(name, "Reg"), at, access, register_extra);
  }

  void real(std::string_view name, std::uint32_t at, std::string_view access,
            std::string_view extra, std::string_view register_extra = "") {
    open("Float", name);
    text_ += cat(extra, "<pValue>", name, "Reg</pValue></Float>\n");
    text_ += cat("<FloatReg Name=\"", name, "Reg\"><Address>", hex(at), "</Address>",
                 register_extra, "<Length>8</Length><AccessMode>", access,
                 "</AccessMode><pPort>Device</pPort><Endianess>BigEndian</Endianess>"
                 "</FloatReg>\n");
  }

  void enumeration(std::string_view name, std::uint32_t at, std::string_view access,
                   const std::vector<Entry>& entries, std::string_view extra = "",
                   std::string_view register_extra = "") {
    open("Enumeration", name);
    text_ += extra;
    for (const Entry& entry : entries) {
      text_ += cat("<EnumEntry Name=\"", entry.name, "\" NameSpace=\"Standard\"><Value>",
                   entry.value, "</Value></EnumEntry>\n");
    }
    text_ += cat("<pValue>", name, "Reg</pValue></Enumeration>\n");
    int_register(cat(name, "Reg"), at, access, register_extra);
  }

  void boolean(std::string_view name, std::uint32_t at, std::string_view extra = "") {
    open("Boolean", name);
    text_ += cat(extra, "<pValue>", name,
                 "Reg</pValue><OnValue>1</OnValue><OffValue>0</OffValue></Boolean>\n");
    int_register(cat(name, "Reg"), at, "RW");
  }

  void command(std::string_view name, std::uint32_t at, int value = 1,
               std::string_view access = "RW") {
    open("Command", name);
    text_ +=
        cat("<pValue>", name, "Reg</pValue><CommandValue>", value, "</CommandValue></Command>\n");
    int_register(cat(name, "Reg"), at, access);
  }

  void string(std::string_view name, std::uint32_t at, int bytes, std::string_view access) {
    open("StringReg", name);
    text_ += cat("<Address>", hex(at), "</Address><Length>", bytes, "</Length><AccessMode>", access,
                 "</AccessMode><pPort>Device</pPort></StringReg>\n");
  }

  // Bits of a register, counted from the lowest.
  void bits(std::string_view kind, std::string_view name, std::uint32_t at, int lowest, int highest,
            std::string_view access, std::string_view extra = "") {
    open(kind, name);
    text_ += cat(extra, "<pValue>", name, "Reg</pValue></", kind, ">\n");
    text_ += cat("<MaskedIntReg Name=\"", name, "Reg\"><Address>", hex(at),
                 "</Address><Length>4</Length><AccessMode>", access,
                 "</AccessMode><pPort>Device</pPort><Cachable>NoCache</Cachable><LSB>", 31 - lowest,
                 "</LSB><MSB>", 31 - highest,
                 "</MSB><Sign>Unsigned</Sign><Endianess>BigEndian</Endianess></MaskedIntReg>\n");
  }

  // high and low register as one number.
  void wide(std::string_view name, std::uint32_t high) {
    open("Integer", name);
    text_ += cat("<pValue>", name, "Reg</pValue></Integer>\n<IntReg Name=\"", name,
                 "Reg\"><Address>", hex(high),
                 "</Address><Length>8</Length><AccessMode>RO</AccessMode><pPort>Device</pPort>"
                 "<Cachable>NoCache</Cachable><Sign>Unsigned</Sign>"
                 "<Endianess>BigEndian</Endianess></IntReg>\n");
  }

  void raw(std::string_view text) { text_ += text; }
  void int_register(std::string_view name, std::uint32_t at, std::string_view access,
                    std::string_view extra = "") {
    const std::string_view sign =
        extra.find("<Sign>") == std::string_view::npos ? "<Sign>Unsigned</Sign>" : "";
    text_ += cat("<IntReg Name=\"", name, "\"><Address>", hex(at), "</Address>",
                 extra.starts_with("<pIndex") ? extra : "", "<Length>4</Length><AccessMode>",
                 access, "</AccessMode><pPort>Device</pPort>",
                 access == "RO" || access == "WO" ? "<Cachable>NoCache</Cachable>" : "",
                 extra.starts_with("<pIndex") ? "" : extra, sign,
                 "<Endianess>BigEndian</Endianess></IntReg>\n");
  }

  std::string finish(std::string_view more) const {
    std::string out =
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
        "<RegisterDescription ModelName=\"Generator\" VendorName=\"Simulator\""
        " StandardNameSpace=\"GEV\" SchemaMajorVersion=\"1\" SchemaMinorVersion=\"1\""
        " SchemaSubMinorVersion=\"0\" MajorVersion=\"1\" MinorVersion=\"0\" SubMinorVersion=\"0\""
        " ToolTip=\"A simulated camera for tests and benchmarks\" ProductGuid=\"0\""
        " VersionGuid=\"0\" xmlns=\"http://www.genicam.org/GenApi/Version_1_1\">\n"
        "<Category Name=\"Root\" NameSpace=\"Standard\">";
    for (const std::string& name : order_) out += cat("<pFeature>", name, "</pFeature>");
    out += "</Category>\n";
    for (const std::string& name : order_) {
      out += cat("<Category Name=\"", name, "\" NameSpace=\"Standard\">");
      for (const std::string& feature : members_.at(name)) {
        out += cat("<pFeature>", feature, "</pFeature>");
      }
      out += "</Category>\n";
    }
    return cat(out, text_, more, "<Port Name=\"Device\"/>\n</RegisterDescription>\n");
  }

 private:
  static std::string hex(std::uint32_t number) {
    char text[12];
    std::snprintf(text, sizeof text, "0x%X", number);
    return text;
  }
  void open(std::string_view kind, std::string_view name) {
    members_[current_].emplace_back(name);
    text_ += cat("<", kind, " Name=\"", name, "\" NameSpace=\"Standard\">");
  }

  std::string text_;
  std::string current_;
  std::vector<std::string> order_;
  std::map<std::string, std::vector<std::string>> members_;
};

constexpr std::string_view locked = "<pIsLocked>TLParamsLockedReg</pIsLocked>";

void device(Writer& to) {
  to.category("DeviceControl");
  to.string("DeviceVendorName", reg::manufacturer, 32, "RO");
  to.string("DeviceModelName", reg::model, 32, "RO");
  to.string("DeviceVersion", reg::device_version, 32, "RO");
  to.string("DeviceManufacturerInfo", reg::manufacturer_info, 48, "RO");
  to.string("DeviceSerialNumber", reg::serial, 16, "RO");
  to.string("DeviceUserID", reg::user_name, 16, "RW");
  to.real("DeviceTemperature", reg::temperature, "RO", "<Unit>C</Unit>", "");
  to.command("DeviceReset", reg::reset);
}

void image(Writer& to) {
  to.category("ImageFormatControl");
  to.integer("WidthMax", reg::width_max, "RO", "");
  to.integer("HeightMax", reg::height_max, "RO", "");
  to.integer("Width", reg::width, "RW",
             cat(locked, "<Min>16</Min><pMax>WidthMax</pMax><Inc>16</Inc>"));
  to.integer("Height", reg::height, "RW",
             cat(locked, "<Min>2</Min><pMax>HeightMax</pMax><Inc>2</Inc>"));
  to.integer("OffsetX", reg::offset_x, "RW",
             cat("<Min>0</Min><pMax>OffsetXMax</pMax><Inc>16</Inc>"));
  to.integer("OffsetY", reg::offset_y, "RW",
             cat("<Min>0</Min><pMax>OffsetYMax</pMax><Inc>2</Inc>"));
  for (const std::string_view axis : {"X", "Y"}) {
    const std::string_view size = axis == "X" ? "Width" : "Height";
    to.raw(cat("<IntSwissKnife Name=\"Offset", axis, "Max\"><pVariable Name=\"MAX\">", size,
               "Max</pVariable><pVariable Name=\"SIZE\">", size,
               "</pVariable><Formula>MAX - SIZE</Formula></IntSwissKnife>\n"));
  }
  std::vector<Entry> entries;
  for (const PixelFormat& format : pixel_formats()) entries.push_back({format.name, format.code});
  to.enumeration("PixelFormat", reg::pixel_format, "RW", entries, locked);
  to.boolean("ReverseX", reg::reverse_x);
}

void acquisition(Writer& to) {
  to.category("AcquisitionControl");
  to.enumeration("AcquisitionMode", reg::acquisition_mode, "RW",
                 {{"Continuous", 0}, {"SingleFrame", 1}, {"MultiFrame", 2}}, locked);
  to.integer("AcquisitionFrameCount", reg::acquisition_frames, "RW",
             "<Min>1</Min><Max>65535</Max>");
  to.command("AcquisitionStart", reg::acquisition_start);
  to.command("AcquisitionStop", reg::acquisition_stop);
  to.boolean("AcquisitionFrameRateEnable", reg::frame_rate_enable);
  to.real("AcquisitionFrameRate", reg::frame_rate, "RW",
          "<Min>0.1</Min><Max>10000</Max><Unit>Hz</Unit>");
  to.enumeration("TriggerSelector", reg::trigger_selector, "RW",
                 {{"FrameStart", 0}, {"AcquisitionStart", 1}},
                 "<pSelected>TriggerMode</pSelected><pSelected>TriggerSource</pSelected>");
  const std::string_view index = "<pIndex Offset=\"4\">TriggerSelectorReg</pIndex>";
  to.enumeration("TriggerMode", reg::trigger_mode, "RW", {{"Off", 0}, {"On", 1}}, "", index);
  to.enumeration("TriggerSource", reg::trigger_source, "RW", {{"Software", 0}, {"Line1", 1}}, "",
                 index);
  to.enumeration("TriggerActivation", reg::trigger_activation, "RW",
                 {{"RisingEdge", 0}, {"FallingEdge", 1}});
  to.command("TriggerSoftware", reg::trigger_software, 1, "WO");
  to.real("ExposureTime", reg::exposure_time, "RW",
          "<Min>10</Min><Max>1000000</Max><Unit>us</Unit>");
  to.enumeration("ExposureAuto", reg::exposure_auto, "RW",
                 {{"Off", 0}, {"Once", 1}, {"Continuous", 2}});
}

void analog(Writer& to) {
  to.category("AnalogControl");
  to.enumeration("GainSelector", reg::gain_selector, "RW",
                 {{"All", 0}, {"Red", 1}, {"Green", 2}, {"Blue", 3}},
                 "<pSelected>Gain</pSelected>");
  to.real("Gain", reg::gain, "RW", "<Min>0</Min><Max>24</Max><Unit>dB</Unit>",
          "<pIndex Offset=\"8\">GainSelectorReg</pIndex>");
  to.enumeration("GainAuto", reg::gain_auto, "RW", {{"Off", 0}, {"Once", 1}, {"Continuous", 2}});
  to.integer("BlackLevelRaw", reg::black_level, "RW", "<Min>-64</Min><Max>255</Max>",
             "<Sign>Signed</Sign>");
}

void transport(Writer& to) {
  to.category("TransportLayerControl");
  to.integer("PayloadSize", reg::payload_size, "RO", "<Unit>B</Unit>");
  to.integer("GevCurrentIPAddress", reg::current_ip, "RO",
             "<Representation>IPV4Address</Representation>");
  to.integer("GevMACAddressLow", reg::mac_low, "RO", "");
  to.integer("GevLinkSpeed", reg::link_speed, "RO", "<Unit>Mbps</Unit>");
  to.integer("GevHeartbeatTimeout", reg::heartbeat, "RW",
             "<Min>500</Min><Max>60000</Max><Unit>ms</Unit>");
  to.integer("GevCCP", reg::control_privilege, "RW", "<Min>0</Min><Max>2</Max>");
  to.integer("GevPrimaryApplicationIPAddress", reg::controller_ip, "RO",
             "<Representation>IPV4Address</Representation>");
  to.integer("GevPrimaryApplicationSocket", reg::controller_port, "RO", "");
  to.integer("GevSCPHostPort", reg::stream_port, "RW", "<Min>0</Min><Max>65535</Max>");
  to.integer("GevSCDA", reg::stream_destination, "RW",
             "<Representation>IPV4Address</Representation>");
  to.integer("GevSCSP", reg::stream_source_port, "RO", "");
  to.bits("Integer", "GevSCPSPacketSize", reg::stream_packet_size, 0, 15, "RW",
          cat(locked, "<Min>576</Min><Max>16384</Max><Inc>4</Inc><Unit>B</Unit>"));
  to.bits("Boolean", "GevSCPSDoNotFragment", reg::stream_packet_size, 30, 30, "RW");
  to.bits("Boolean", "GevSCPSFireTestPacket", reg::stream_packet_size, 31, 31, "RW");
  to.integer("GevSCPD", reg::stream_packet_delay, "RW", "<Min>0</Min><Max>10000000</Max>");
  to.command("GevTimestampControlLatch", reg::timestamp_control, 2, "WO");
  to.command("GevTimestampControlReset", reg::timestamp_control, 1, "WO");
  to.wide("GevTimestampValue", reg::timestamp_high);
  to.wide("GevTimestampTickFrequency", reg::tick_frequency_high);
  to.integer("TLParamsLocked", reg::locked, "RW", "<Min>0</Min><Max>1</Max>");
  to.category("PtpControl");
  to.boolean("PtpEnable", reg::ptp_enable);
  to.enumeration("PtpStatus", reg::ptp_status, "RO",
                 {{"Initializing", 0},
                  {"Faulty", 1},
                  {"Disabled", 2},
                  {"Listening", 3},
                  {"PreMaster", 4},
                  {"Master", 5},
                  {"Passive", 6},
                  {"Uncalibrated", 7},
                  {"Slave", 8}});
  to.command("PtpDataSetLatch", reg::ptp_latch, 1, "WO");
  to.integer("PtpOffsetFromMaster", reg::ptp_offset, "RO", "<Unit>ns</Unit>",
             "<Sign>Signed</Sign>");
}

}  // namespace

std::string camera_xml(std::string_view more) {
  Writer to;
  device(to);
  image(to);
  acquisition(to);
  analog(to);
  transport(to);
  return to.finish(more);
}

}  // namespace generator
