// The verbs on devices, models and statuses: an HTTP request becomes a verb of Core, and Core's
// answer an HTTP answer. Confined to the loop.
#pragma once

#include <memory>
#include <optional>

#include "admission.hpp"
#include "base/http.hpp"
#include "devicetwin/core.hpp"
#include "failure.hpp"
#include "resource.hpp"
#include "watch.hpp"

namespace devicetwin::kube {

class Verbs {
 public:
  using Response = std::shared_ptr<base::http::Response>;

  Verbs(Core& core, Watches& watches) : core_(core), watches_(watches) {}

  // Answers now, or when Core has stored what was asked for.
  void handle(const Place& place, const base::http::Request& request, const Response& response);

 private:
  using Maybe = std::optional<Failure>;

  using Step = Maybe (Verbs::*)(const Place&, const base::http::Request&, const Response&);

  Maybe step(const Place& place, const base::http::Request& request, const Response& response);
  Maybe in_turn(const Place& place, const base::http::Request& request, const Response& response,
                Step write);
  Maybe get(const Place& place, const base::http::Request& request, const Response& response);
  Maybe list(const Place& place, const base::http::Request& request, const Response& response);
  Maybe watch(const Place& place, const base::http::Request& request, const Response& response);
  Maybe create(const Place& place, const base::http::Request& request, const Response& response);
  Maybe update(const Place& place, const base::http::Request& request, const Response& response);
  Maybe patch(const Place& place, const base::http::Request& request, const Response& response);
  Maybe remove(const Place& place, const base::http::Request& request, const Response& response);
  Maybe remove_all(const Place& place, const base::http::Request& request,
                   const Response& response);

  // The last steps of create and of update and patch; object has been admitted.
  using StoreObject = Maybe (Verbs::*)(const Place&, const WriteOptions&, dmi::Json,
                                       std::vector<std::string>, const Response&);
  Maybe store_body(const Place& place, const base::http::Request& request, const Response& response,
                   StoreObject store);
  Maybe store_new(const Place& place, const WriteOptions& options, dmi::Json object,
                  std::vector<std::string> warnings, const Response& response);
  Maybe store_changed(const Place& place, const WriteOptions& options, dmi::Json object,
                      std::vector<std::string> warnings, const Response& response);

  Core& core_;
  Watches& watches_;
};

}  // namespace devicetwin::kube
