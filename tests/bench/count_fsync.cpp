// Preloaded into a program: counts its fsync() and fdatasync() in the first eight bytes of the file
// that COUNT_FSYNC names.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>

namespace {

std::atomic<std::uint64_t>* counter() {
  static std::atomic<std::uint64_t>* const mapped = [] {
    const char* const name = std::getenv("COUNT_FSYNC");
    const int fd = name == nullptr ? -1 : ::open(name, O_RDWR | O_CLOEXEC);
    void* const at =
        fd < 0 ? MAP_FAILED : ::mmap(nullptr, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return at == MAP_FAILED ? nullptr : static_cast<std::atomic<std::uint64_t>*>(at);
  }();
  return mapped;
}

int count(const char* name, int fd) {
  if (counter() != nullptr) ++*counter();
  return reinterpret_cast<int (*)(int)>(::dlsym(RTLD_NEXT, name))(fd);
}

}  // namespace

extern "C" int fsync(int fd) { return count("fsync", fd); }
extern "C" int fdatasync(int fd) { return count("fdatasync", fd); }
