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
  // As Store::open says, without the lock; loaded gets what the file has. Nothing is written where
  // a file of this schema is.
  static base::Result<std::unique_ptr<Database>> open(const Store::Settings& settings,
                                                      Store::Loaded& loaded);
  ~Database();

  // One transaction: all of it or nothing. malformed: the file is damaged, and renew() is due.
  base::Status write(const Batch& batch);
  // Puts a file that holds `everything` in the place of the damaged one, which is moved aside.
  // A process that dies in between leaves one of the two for open(). why: for the log. unavailable:
  // not done, and to be tried again.
  base::Status renew(const Batch& everything, const base::Status& why);

 private:
  struct Impl;
  explicit Database(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace devicetwin
