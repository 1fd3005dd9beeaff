// Objects as kubectl's tables: columns, cells, ages. Pure but for what it reads from Core; loop.
#pragma once

#include <string>
#include <string_view>

#include "base/loop.hpp"
#include "devicetwin/core.hpp"
#include "resource.hpp"

namespace devicetwin::kube {

// What a client wants back instead of the objects' own JSON.
enum class Form {
  objects,
  table_metadata,  // rows with PartialObjectMetadata: the default
  table_object,    // rows with the whole object
  table_none
};
// From the Accept header and includeObject.
Form form_of(std::string_view accept, std::string_view include_object);

class Table {
 public:
  // with_columns: in all but the later events of a watch. now: what ages are counted to.
  Table(const Core& core, const Resource& resource, Form form, bool with_columns, base::Time now);

  void add(const dmi::ObjectId& id, std::string_view object_text);
  // The Table object. version: of the list, or of the one object.
  std::string text(std::uint64_t version) &&;

 private:
  const Core& core_;
  const Resource& resource_;
  Form form_;
  base::Time now_;
  std::string rows_;
  std::string columns_;
};

// "45s", "5m", "3h20m", "2d4h": how kubectl writes ages (two units while the larger is small).
std::string age_text(base::Duration age);

}  // namespace devicetwin::kube
