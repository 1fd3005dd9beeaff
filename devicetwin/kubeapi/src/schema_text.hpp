// The structural schemas of KubeEdge's CRDs (devices.kubeedge.io/v1beta1) as JSON texts. Pure.
#pragma once

#include <string_view>

namespace devicetwin::kube {

extern const std::string_view metadata_schema_text;
extern const std::string_view device_schema_text;
extern const std::string_view model_schema_text;
extern const std::string_view status_schema_text;

}  // namespace devicetwin::kube
