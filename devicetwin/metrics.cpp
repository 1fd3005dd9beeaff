#include "metrics.hpp"

#include <algorithm>

#include "base/metrics.hpp"
#include "devicetwin/broker.hpp"
#include "devicetwin/core.hpp"
#include "devicetwin/dmi_link.hpp"
#include "devicetwin/event_bus.hpp"
#include "devicetwin/history.hpp"
#include "devicetwin/kube_api.hpp"
#include "devicetwin/outbox.hpp"
#include "devicetwin/store.hpp"
#include "devicetwin/upload.hpp"
#include "loop_delay.hpp"

namespace devicetwin {

using base::Metrics;

namespace {

double number(std::uint64_t count) { return static_cast<double>(count); }

void add(Metrics& metrics, const Core& core) {
  const Core::Counters& counters = core.counters();
  metrics.gauge("devicetwin_devices", "Device objects", number(core.list(Kind::device, "").size()));
  metrics.gauge("devicetwin_device_models", "DeviceModel objects",
                number(core.list(Kind::device_model, "").size()));
  metrics.gauge("devicetwin_twins", "twin properties of all devices", number(core.twins()));
  metrics.counter("devicetwin_verbs_total", "verbs that were asked for, by kind");
  metrics.sample(number(counters.reports), {{"verb", "report"}});
  metrics.sample(number(counters.updates), {{"verb", "mqtt_update"}});
  metrics.sample(number(counters.states), {{"verb", "state"}});
  metrics.sample(number(counters.objects), {{"verb", "object"}});
  metrics.counter("devicetwin_refused_total", "verbs that were refused, by reason");
  metrics.sample(number(counters.invalid), {{"reason", "invalid"}});
  metrics.sample(number(counters.not_found), {{"reason", "not_found"}});
  metrics.sample(number(counters.conflict), {{"reason", "conflict"}});
  metrics.sample(number(counters.limit), {{"reason", "limit"}});
  metrics.sample(number(counters.disk), {{"reason", "disk"}});
  metrics.counter("devicetwin_changes_total", "changes told to MQTT, mappers and watchers",
                  number(counters.changes));
  metrics.counter("devicetwin_changed_twins_total", "twin properties that changed in them",
                  number(counters.rows));
  metrics.counter("devicetwin_paced_total",
                  "reported values that dead-band or minInterval kept back",
                  number(counters.paced));
}

void add(Metrics& metrics, const Store& store) {
  const Store::Counters counters = store.counters();
  metrics.counter("devicetwin_store_transactions_total", "transactions of the database",
                  number(counters.transactions));
  metrics.counter("devicetwin_store_failed_total", "transactions that the disk did not take",
                  number(counters.failed));
  metrics.counter("devicetwin_store_twins_total", "twins written", number(counters.rows));
  metrics.gauge("devicetwin_store_waiting_devices", "devices whose twins are not written yet",
                number(counters.waiting));
  metrics.gauge("devicetwin_store_last_transaction_seconds",
                "duration of the last transaction with its fsync", counters.last_seconds);
}

void add(Metrics& metrics, const EventBus& bus) {
  const EventBus::Counters counters = bus.counters();
  metrics.gauge("devicetwin_mqtt_connected", "1: the broker is there", bus.connected() ? 1 : 0);
  metrics.counter("devicetwin_mqtt_received_total", "messages from the broker",
                  number(counters.received));
  metrics.counter("devicetwin_mqtt_published_total", "messages that the broker has acknowledged",
                  number(counters.published));
  metrics.counter("devicetwin_mqtt_replayed_total", "changes kept on disk and published later",
                  number(counters.replayed));
  metrics.counter("devicetwin_mqtt_uploaded_total", "messages of upload and user topics",
                  number(counters.uploaded));
  metrics.counter("devicetwin_mqtt_slow_total", "times the broker fell behind",
                  number(counters.slow));
  metrics.counter("devicetwin_mqtt_dropped_total", "messages that were not handled, by reason");
  metrics.sample(number(counters.ignored), {{"reason", "unknown_topic"}});
  metrics.sample(number(counters.conflated), {{"reason", "conflated"}});
  metrics.sample(number(counters.dropped_in), {{"reason", "budget"}});
  metrics.sample(number(counters.dropped_out), {{"reason", "queue_full"}});
}

void add(Metrics& metrics, const Outbox& outbox) {
  const auto consumers = outbox.consumers();
  const auto family = [&](auto& metrics_, const char* name, const char* help, bool counter,
                          auto value) {
    counter ? metrics_.counter(name, help) : metrics_.gauge(name, help);
    for (const std::string& consumer : consumers) {
      metrics_.sample(number(value(outbox.counters(consumer))), {{"consumer", consumer}});
    }
  };
  family(metrics, "devicetwin_outbox_waiting_records", "records that wait for their consumer",
         false, [](const auto& counters) { return counters.waiting; });
  family(metrics, "devicetwin_outbox_waiting_bytes", "bytes of them, as the quota counts", false,
         [](const auto& counters) { return counters.bytes; });
  family(metrics, "devicetwin_outbox_appended_total", "records that were taken", true,
         [](const auto& counters) { return counters.appended; });
  family(metrics, "devicetwin_outbox_acknowledged_total", "records that their consumer has", true,
         [](const auto& counters) { return counters.acknowledged; });
  metrics.counter("devicetwin_outbox_dropped_total", "records that went untaken, by reason");
  for (const std::string& consumer : consumers) {
    const Outbox::Counters counters = outbox.counters(consumer);
    metrics.sample(number(counters.dropped_quota), {{"consumer", consumer}, {"reason", "quota"}});
    metrics.sample(number(counters.dropped_disk), {{"consumer", consumer}, {"reason", "disk"}});
    metrics.sample(number(counters.dropped_size), {{"consumer", consumer}, {"reason", "size"}});
  }
}

void add(Metrics& metrics, const Upload& upload) {
  const Upload::Counters counters = upload.counters();
  metrics.counter("devicetwin_upload_delivered_total", "messages that the URL has taken",
                  number(counters.delivered));
  metrics.counter("devicetwin_upload_refused_total", "messages that the URL will never take",
                  number(counters.refused));
  metrics.counter("devicetwin_upload_failed_total", "requests that failed and are tried again",
                  number(counters.failed));
}

void add(Metrics& metrics, const History& history) {
  const History::Counters counters = history.counters();
  metrics.gauge("devicetwin_history_series", "properties with samples", number(counters.series));
  metrics.gauge("devicetwin_history_bytes", "bytes of the file that hold something",
                number(counters.bytes));
  metrics.gauge("devicetwin_history_queued", "samples that are not written yet",
                number(counters.queued));
  metrics.counter("devicetwin_history_written_total", "samples written", number(counters.written));
  metrics.counter("devicetwin_history_dropped_total", "samples lost because the queue was full",
                  number(counters.dropped));
  metrics.counter("devicetwin_history_removed_total", "samples over age, count or quota",
                  number(counters.removed));
  metrics.counter("devicetwin_history_failures_total", "writes that failed",
                  number(counters.failures));
  metrics.counter("devicetwin_history_queries_total", "queries", number(counters.queries));
  metrics.counter("devicetwin_history_refused_queries_total", "queries refused: too many waited",
                  number(counters.refused_queries));
}

void add(Metrics& metrics, const DmiLink& dmi) {
  const DmiLink::Counters& counters = dmi.counters();
  const auto mappers = dmi.mappers_view();
  metrics.gauge("devicetwin_mappers", "mappers that are known, by state");
  for (const char* state : {"up", "hung", "down"}) {
    const auto count = std::ranges::count(mappers, state, &DmiLink::MapperView::state);
    metrics.sample(static_cast<double>(count), {{"state", state}});
  }
  metrics.gauge("devicetwin_mapper_devices", "devices that belong to a mapper");
  for (const DmiLink::MapperView& mapper : mappers) {
    metrics.sample(number(mapper.devices),
                   {{"mapper", mapper.name}, {"protocol", mapper.protocol}});
  }
  metrics.counter("devicetwin_dmi_registrations_total", "registrations of mappers, by outcome");
  metrics.sample(number(counters.registrations), {{"outcome", "ok"}});
  metrics.sample(number(counters.refused_registrations), {{"outcome", "refused"}});
  metrics.counter("devicetwin_dmi_reports_total",
                  "reports of devices, each item of a batch too, by outcome");
  metrics.sample(number(counters.reports - counters.refused_reports), {{"outcome", "ok"}});
  metrics.sample(number(counters.refused_reports), {{"outcome", "refused"}});
  metrics.counter("devicetwin_dmi_batches_total", "batches, empty ones too",
                  number(counters.batches));
  metrics.counter("devicetwin_dmi_moves_total", "devices moved from one mapper to another",
                  number(counters.moves));
  metrics.counter("devicetwin_dmi_deaths_total", "mappers that died", number(counters.deaths));
  metrics.counter("devicetwin_dmi_hangs_total", "mappers that hung", number(counters.hangs));
  metrics.counter("devicetwin_dmi_calls_total", "calls to mappers, by outcome");
  metrics.sample(number(counters.calls - counters.failed_calls), {{"outcome", "ok"}});
  metrics.sample(number(counters.failed_calls), {{"outcome", "failed"}});
  const dmi::wire::Server::Counters server = dmi.server_counters();
  metrics.counter("devicetwin_dmi_connections_total", "connections to the DMI socket");
  metrics.sample(number(server.connections), {{"outcome", "ok"}});
  metrics.sample(number(server.refused_peers), {{"outcome", "not_allowed"}});
  metrics.counter("devicetwin_dmi_limited_total", "calls answered RESOURCE_EXHAUSTED, by reason");
  metrics.sample(number(server.limited), {{"reason", "rate"}});
  metrics.sample(number(server.overflow), {{"reason", "waiting"}});
}

// What comes in, by door.
void add_lanes(Metrics& metrics, const Parts& parts) {
  metrics.gauge("devicetwin_lane_bytes", "bytes of requests that wait for the loop, by door");
  if (parts.bus != nullptr) metrics.sample(number(parts.bus->lane().bytes), {{"lane", "mqtt"}});
  if (parts.dmi != nullptr) metrics.sample(number(parts.dmi->lane().bytes), {{"lane", "dmi"}});
  if (parts.kube != nullptr)
    metrics.sample(number(parts.kube->bodies_bytes()), {{"lane", "https"}});
  metrics.counter("devicetwin_lane_refused_total", "requests above the bytes of their door");
  if (parts.bus != nullptr) metrics.sample(number(parts.bus->lane().refused), {{"lane", "mqtt"}});
  if (parts.dmi != nullptr) {
    metrics.sample(number(parts.dmi->server_counters().overflow), {{"lane", "dmi"}});
  }
}

}  // namespace

std::string metrics_text(const Parts& parts) {
  Metrics metrics;
  base::add_process(metrics);
  if (parts.core != nullptr) add(metrics, *parts.core);
  if (parts.store != nullptr) add(metrics, *parts.store);
  if (parts.dmi != nullptr) add(metrics, *parts.dmi);
  if (parts.bus != nullptr) add(metrics, *parts.bus);
  if (parts.broker != nullptr) {
    metrics.counter("devicetwin_broker_restarts_total", "times the private broker was restarted",
                    number(parts.broker->restarts()));
  }
  if (parts.outbox != nullptr) add(metrics, *parts.outbox);
  if (parts.upload != nullptr) add(metrics, *parts.upload);
  if (parts.history != nullptr) add(metrics, *parts.history);
  if (parts.delay != nullptr) {
    metrics.gauge("devicetwin_loop_delay_seconds",
                  "how late the loop came to something due, the worst of the last 10 to 20 s",
                  parts.delay->worst_seconds());
  }
  add_lanes(metrics, parts);
  if (parts.kube != nullptr) {
    metrics.gauge("devicetwin_watchers", "open watches of the Kubernetes API",
                  number(parts.kube->watchers()));
  }
  return metrics.text();
}

}  // namespace devicetwin
