// The files a mapper reads: its configuration in KubeEdge's format, and Device and DeviceModel
// objects for --local. Called before the loop runs; any thread.
#pragma once

#include <string>
#include <vector>

#include "base/status.hpp"
#include "dmi/device.hpp"

namespace mapper {

// grpc_server.socket_path and common.{name, version, api_version, protocol, edgecore_sock}.
struct MapperConfig {
  std::string name;     // default: PROTOCOL-mapper
  std::string version;  // default: the protocol's
  std::string api_version = "v1.0.0";
  std::string protocol;     // default: the mapper's own
  std::string socket_path;  // default: /etc/kubeedge/PROTOCOL.sock
  std::string edgecore_sock = "/etc/kubeedge/dmi.sock";
};

MapperConfig default_config(const std::string& protocol, const std::string& version);

// Lays a file over defaults. common.address and common.http_port are taken and not used: this
// mapper has no REST server. invalid: the text has one line per mistake, each as
// "config.yaml:3:9: common.http_port: 70000 is outside 1..65535".
base::Result<MapperConfig> load_config(const std::string& path, MapperConfig defaults);
base::Result<MapperConfig> parse_config(const std::string& text, const std::string& file,
                                        MapperConfig defaults);

struct Objects {
  std::vector<dmi::DeviceModel> models;
  std::vector<dmi::Device> devices;  // merged with their models, as an edge core would send them
};

// Devices and models of multi-document YAML files as for kubectl apply; Lists are taken apart,
// other kinds are an error. invalid: one line per mistake, with file:line:column and path; also a
// device whose model is in none of the files, and files without devices.
base::Result<Objects> load_objects(const std::vector<std::string>& paths);
base::Result<Objects> parse_objects(const std::string& text, const std::string& file);

}  // namespace mapper
