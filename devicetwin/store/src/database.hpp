// The SQLite file: schema, reading all, writing one batch. One thread at a time.
#pragma once

#include <filesystem>
#include <memory>

#include "base/status.hpp"
#include "batch.hpp"
#include "devicetwin/store.hpp"

namespace devicetwin {

class Database {
 public:
  // As Store::open says, without the lock.
  static base::Result<std::unique_ptr<Database>> open(const Store::Settings& settings);
  ~Database();

  base::Result<Store::Loaded> read();
  // One transaction: all of it or nothing.
  base::Status write(const Batch& batch);

 private:
  struct Impl;
  explicit Database(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace devicetwin
