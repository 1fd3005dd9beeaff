// How the rest of the SDK gets a driver: always asynchronous, whichever kind the protocol has.
#pragma once

#include <functional>
#include <memory>

#include "base/loop.hpp"
#include "base/status.hpp"
#include "mapper/driver.hpp"

namespace mapper {

using OpenDone = std::function<void(base::Result<std::unique_ptr<AsyncDriver>>)>;

// Called on the loop. done is called on the loop, once, never from within; it may be called after
// the caller lost interest, and then destroys what it got. The target lives while the driver does.
using Opener = std::function<void(std::shared_ptr<const Target> target, Sink sink, OpenDone done)>;

// For Protocol::open_async. What it throws becomes internal. protocol must outlive the opener.
Opener async_opener(base::IoLoop& loop, const Protocol& protocol);

// The same for any factory: what tests on a ManualLoop use.
using AsyncFactory =
    std::function<base::Result<std::unique_ptr<AsyncDriver>>(const Target& target, Sink sink)>;
Opener opener_of(base::Loop& loop, AsyncFactory factory);

}  // namespace mapper
