#include "view.hpp"

#include <charconv>

namespace devicetwin::kube {

namespace {

std::optional<View> view_of_status(const Core& core, const dmi::ObjectId& id) {
  const auto status = core.status_object(id);
  if (!status) return std::nullopt;
  View view{id, 0, Text::plain(dmi::to_text(*status))};
  const std::string version = (*status)["metadata"].value("resourceVersion", "0");
  std::from_chars(version.data(), version.data() + version.size(), view.version);
  return view;
}

}  // namespace

std::optional<View> view_of(const Core& core, Kind kind, const dmi::ObjectId& id) {
  if (kind == Kind::device_status) return view_of_status(core, id);
  const Object* object = core.find(kind, id);
  if (object == nullptr) return std::nullopt;
  return View{id, object->version, object->text};
}

void for_each_view(const Core& core, Kind kind, std::string_view space, const Selector& selector,
                   const std::function<void(const View&)>& each) {
  // Each device has its status, so the devices are the list of both.
  const Kind listed = kind == Kind::device_status ? Kind::device : kind;
  for (const Object* object : core.list(listed, space)) {
    if (!selector.matches_id(object->id)) continue;
    const auto view = view_of(core, kind, object->id);
    if (view && selector.matches(view->id, view->text.str())) each(*view);
  }
}

}  // namespace devicetwin::kube
