#include "schema_text.hpp"

namespace devicetwin::kube {

// What of ObjectMeta clients send; the endpoint keeps the same fields.
const std::string_view metadata_schema_text = R"json({
  "type": "object",
  "description": "Standard object's metadata.",
  "properties": {
    "name": {"type": "string", "description": "Unique within a namespace."},
    "generateName": {"type": "string", "description": "Prefix of a name that is made up."},
    "namespace": {"type": "string"},
    "labels": {"type": "object", "additionalProperties": {"type": "string"},
               "description": "Words to select objects by."},
    "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
    "uid": {"type": "string"},
    "resourceVersion": {"type": "string", "description": "Changes whenever the object does."},
    "generation": {"type": "integer", "format": "int64",
                   "description": "Rises whenever the spec changes."},
    "creationTimestamp": {"type": "string", "format": "date-time"},
    "deletionTimestamp": {"type": "string", "format": "date-time"},
    "deletionGracePeriodSeconds": {"type": "integer", "format": "int64"},
    "selfLink": {"type": "string"},
    "finalizers": {"type": "array", "items": {"type": "string"}},
    "ownerReferences": {"type": "array", "items": {"type": "object", "properties": {
      "apiVersion": {"type": "string"},
      "kind": {"type": "string"},
      "name": {"type": "string"},
      "uid": {"type": "string"},
      "controller": {"type": "boolean"},
      "blockOwnerDeletion": {"type": "boolean"}
    }}},
    "managedFields": {"type": "array", "items": {"type": "object",
                      "x-kubernetes-preserve-unknown-fields": true}}
  }
})json";

const std::string_view device_schema_text = R"json({
  "type": "object",
  "description": "Device is one physical device: how it is reached, what it has, what is desired of it.",
  "properties": {
    "apiVersion": {"type": "string"},
    "kind": {"type": "string"},
    "metadata": {"type": "object"},
    "spec": {
      "type": "object",
      "description": "DeviceSpec: what is wanted.",
      "properties": {
        "deviceModelRef": {
          "type": "object",
          "description": "The DeviceModel of this device, in the same namespace.",
          "properties": {"name": {"type": "string"}}
        },
        "nodeName": {"type": "string", "description": "The edge node the device is attached to."},
        "protocol": {
          "type": "object",
          "description": "How the device is reached.",
          "properties": {
            "protocolName": {"type": "string",
                             "description": "The same as the model's protocol and the mapper's."},
            "configData": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
                           "description": "What the protocol's mapper asks for."}
          }
        },
        "properties": {
          "type": "array",
          "description": "What of the model this device has.",
          "items": {
            "type": "object",
            "properties": {
              "name": {"type": "string", "description": "As in the model; unique in the device."},
              "desired": {
                "type": "object",
                "description": "The value that is to be written to the device.",
                "required": ["value"],
                "properties": {
                  "value": {"type": "string", "description": "As a text, whatever the type."},
                  "metadata": {"type": "object", "additionalProperties": {"type": "string"}}
                }
              },
              "visitors": {
                "type": "object",
                "description": "Where in the device the property is found.",
                "properties": {
                  "protocolName": {"type": "string"},
                  "configData": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}
                }
              },
              "reportCycle": {"type": "integer", "format": "int64",
                              "description": "Milliseconds between two reports."},
              "collectCycle": {"type": "integer", "format": "int64",
                               "description": "Milliseconds between two readings."},
              "reportToCloud": {"type": "boolean"},
              "pushMethod": {
                "type": "object",
                "description": "Where else the mapper sends the values.",
                "properties": {
                  "http": {"type": "object", "properties": {
                    "hostName": {"type": "string"},
                    "port": {"type": "integer", "format": "int64"},
                    "requestPath": {"type": "string"},
                    "timeout": {"type": "integer", "format": "int64"}
                  }},
                  "mqtt": {"type": "object", "properties": {
                    "address": {"type": "string"},
                    "topic": {"type": "string"},
                    "qos": {"type": "integer", "format": "int32"},
                    "retained": {"type": "boolean"}
                  }},
                  "otel": {"type": "object", "properties": {"endpointURL": {"type": "string"}}},
                  "anomalyDetection": {"type": "object",
                                       "x-kubernetes-preserve-unknown-fields": true},
                  "dbMethod": {"type": "object", "properties": {
                    "influxdb2": {"type": "object", "properties": {
                      "influxdb2ClientConfig": {"type": "object", "properties": {
                        "url": {"type": "string"},
                        "org": {"type": "string"},
                        "bucket": {"type": "string"}
                      }},
                      "influxdb2DataConfig": {"type": "object", "properties": {
                        "measurement": {"type": "string"},
                        "tag": {"type": "object", "additionalProperties": {"type": "string"}},
                        "fieldKey": {"type": "string"}
                      }}
                    }},
                    "redis": {"type": "object", "properties": {
                      "redisClientConfig": {"type": "object", "properties": {
                        "addr": {"type": "string"},
                        "db": {"type": "integer"},
                        "poolsize": {"type": "integer"},
                        "minIdleConns": {"type": "integer"}
                      }}
                    }},
                    "TDEngine": {"type": "object", "properties": {
                      "TDEngineClientConfig": {"type": "object", "properties": {
                        "addr": {"type": "string"},
                        "dbName": {"type": "string"}
                      }}
                    }},
                    "mysql": {"type": "object", "properties": {
                      "mysqlClientConfig": {"type": "object", "properties": {
                        "addr": {"type": "string"},
                        "database": {"type": "string"},
                        "userName": {"type": "string"}
                      }}
                    }}
                  }}
                }
              }
            }
          }
        },
        "methods": {
          "type": "array",
          "description": "Names under which properties are written by callers.",
          "items": {"type": "object", "properties": {
            "name": {"type": "string"},
            "description": {"type": "string"},
            "propertyNames": {"type": "array", "items": {"type": "string"}}
          }}
        },
        "stateReport": {
          "type": "object",
          "description": "How often the device's state is told.",
          "properties": {
            "reportToCloud": {"type": "boolean"},
            "reportCycle": {"type": "integer", "format": "int64"}
          }
        }
      }
    },
    "status": {
      "type": "object",
      "description": "Kept for old tools; the twins stand in the DeviceStatus of the same name.",
      "x-kubernetes-preserve-unknown-fields": true,
      "properties": {
        "reportToCloud": {"type": "boolean"},
        "reportCycle": {"type": "integer", "format": "int64"}
      }
    }
  }
})json";

const std::string_view model_schema_text = R"json({
  "type": "object",
  "description": "DeviceModel is what devices of one make have in common.",
  "properties": {
    "apiVersion": {"type": "string"},
    "kind": {"type": "string"},
    "metadata": {"type": "object"},
    "spec": {
      "type": "object",
      "properties": {
        "protocol": {"type": "string", "description": "The protocol of devices of this model."},
        "protocolConfigData": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
                               "description": "Defaults for the devices' protocol.configData."},
        "properties": {
          "type": "array",
          "items": {
            "type": "object",
            "properties": {
              "name": {"type": "string"},
              "description": {"type": "string"},
              "type": {"type": "string",
                "enum": ["INT", "FLOAT", "DOUBLE", "STRING", "BOOLEAN", "BYTES", "STREAM"]},
              "accessMode": {"type": "string", "enum": ["ReadWrite", "ReadOnly"]},
              "minimum": {"type": "string", "description": "The smallest value that is accepted."},
              "maximum": {"type": "string", "description": "The largest value that is accepted."},
              "unit": {"type": "string"},
              "visitors": {
                "type": "object",
                "description": "Defaults for the devices' visitors.",
                "properties": {
                  "protocolName": {"type": "string"},
                  "configData": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}
                }
              }
            }
          }
        }
      }
    }
  }
})json";

const std::string_view status_schema_text = R"json({
  "type": "object",
  "description": "DeviceStatus is what is known of the Device of the same name. It is read only.",
  "properties": {
    "apiVersion": {"type": "string"},
    "kind": {"type": "string"},
    "metadata": {"type": "object"},
    "spec": {"type": "object"},
    "status": {
      "type": "object",
      "properties": {
        "twins": {
          "type": "array",
          "items": {"type": "object", "properties": {
            "propertyName": {"type": "string"},
            "reported": {
              "type": "object",
              "description": "What the device says.",
              "required": ["value"],
              "properties": {
                "value": {"type": "string"},
                "metadata": {"type": "object", "additionalProperties": {"type": "string"}}
              }
            },
            "observedDesired": {
              "type": "object",
              "description": "The desired value the device has accepted.",
              "required": ["value"],
              "properties": {
                "value": {"type": "string"},
                "metadata": {"type": "object", "additionalProperties": {"type": "string"}}
              }
            }
          }}
        },
        "state": {"type": "string", "description": "online, offline, ok, unknown or unhealthy."},
        "lastOnlineTime": {"type": "string"},
        "extensions": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}
      }
    }
  }
})json";

}  // namespace devicetwin::kube
