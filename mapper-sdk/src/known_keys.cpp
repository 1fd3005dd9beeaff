#include "known_keys.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <string_view>
#include <vector>

#include "base/text.hpp"

namespace mapper {

using base::cat;
using dmi::Json;

namespace {

using Keys = std::vector<std::string_view>;
using Schema = std::map<std::string_view, Keys>;  // by path, "[]" for any element

// Maps that are in no schema are free.
Schema common() {
  return {{"", {"apiVersion", "kind", "metadata", "spec", "status"}},
          {"metadata",
           {"name", "namespace", "labels", "annotations", "generation", "resourceVersion", "uid",
            "creationTimestamp", "managedFields", "finalizers", "ownerReferences", "generateName",
            "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"}}};
}

Schema device_schema() {
  Schema schema = common();
  schema.insert(
      {{"spec", {"deviceModelRef", "nodeName", "protocol", "properties", "methods", "stateReport"}},
       {"spec.deviceModelRef", {"name"}},
       {"spec.protocol", {"protocolName", "configData"}},
       {"spec.properties[]",
        {"name", "desired", "visitors", "reportCycle", "collectCycle", "reportToCloud",
         "pushMethod"}},
       {"spec.properties[].desired", {"value", "metadata"}},
       {"spec.properties[].visitors", {"protocolName", "configData"}},
       {"spec.properties[].pushMethod", {"http", "mqtt", "otel", "dbMethod", "anomalyDetection"}},
       {"spec.properties[].pushMethod.http", {"hostName", "port", "requestPath", "timeout"}},
       {"spec.properties[].pushMethod.mqtt", {"address", "topic", "qos", "retained"}},
       {"spec.properties[].pushMethod.otel", {"endpointURL"}},
       {"spec.properties[].pushMethod.dbMethod", {"influxdb2", "redis", "TDEngine", "mysql"}},
       {"spec.methods[]", {"name", "description", "propertyNames"}},
       {"spec.stateReport", {"reportToCloud", "reportCycle"}}});
  return schema;
}

Schema model_schema() {
  Schema schema = common();
  schema.insert(
      {{"spec", {"protocol", "protocolConfigData", "properties"}},
       {"spec.properties[]",
        {"name", "description", "type", "accessMode", "minimum", "maximum", "unit", "visitors"}},
       {"spec.properties[].visitors", {"protocolName", "configData"}}});
  return schema;
}

// Changes of one letter that make one word the other; upper and lower case count as the same.
std::size_t distance(std::string_view a, std::string_view b) {
  const std::string from = base::lower(a);
  const std::string to = base::lower(b);
  std::vector<std::size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= from.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= to.size(); ++j) {
      const std::size_t change = diagonal + (from[i - 1] == to[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, change});
    }
  }
  return row.back();
}

std::string advice(std::string_view key, const Keys& known) {
  constexpr std::size_t longest_word = 64;  // a longer one is not a slip of the fingers
  if (key.size() <= longest_word) {
    for (const std::string_view word : known) {
      if (distance(key, word) <= 2) return cat("did you mean ", word, "?");
    }
  }
  std::string list;
  for (const std::string_view word : known) list += cat(list.empty() ? "" : ", ", word);
  return cat("remove it (known: ", list, ")");
}

class Walker {
 public:
  Walker(const Schema& schema, const std::function<void(std::string, std::string)>& tell)
      : schema_(schema), tell_(tell) {}

  void walk(const Json& value, const std::string& path, const std::string& shape) {
    if (value.is_array()) {
      for (std::size_t i = 0; i < value.size(); ++i) {
        walk(value[i], cat(path, "[", i, "]"), shape + "[]");
      }
      return;
    }
    const auto known = schema_.find(shape);
    if (known == schema_.end() || !value.is_object()) return;
    for (const auto& [key, inner] : value.items()) {
      const std::string at = path.empty() ? key : cat(path, ".", key);
      const auto& keys = known->second;
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
        tell_(at, cat("unknown key: ", advice(key, keys)));
      } else {
        walk(inner, at, shape.empty() ? key : cat(shape, ".", key));
      }
    }
  }

 private:
  const Schema& schema_;
  const std::function<void(std::string, std::string)>& tell_;
};

}  // namespace

void find_unknown_keys(const std::string& kind, const Json& object,
                       const std::function<void(std::string path, std::string what)>& tell) {
  const Schema schema = kind == "Device" ? device_schema() : model_schema();
  Walker(schema, tell).walk(object, "", "");
}

}  // namespace mapper
