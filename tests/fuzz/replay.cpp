// Stands in for libFuzzer where the compiler has none (g++): feeds the kept corpus, and mutations
// of it from a fixed seed, to LLVMFuzzerTestOneInput. So every ordinary and sanitizer run covers
// the parsers; scripts/fuzz searches with libFuzzer itself.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Input = std::vector<std::uint8_t>;

const Input* running = nullptr;

// An input that breaks an invariant is left beside the program, to be kept in the corpus.
void keep_input(int) {
  const int file = open("crash-replay", O_CREAT | O_WRONLY | O_TRUNC, 0644);
  if (file < 0 || write(file, running->data(), running->size()) < 0) return;
  constexpr char said[] = "the input is in ./crash-replay\n";
  if (write(STDERR_FILENO, said, sizeof said - 1) < 0) return;
  close(file);
}

void run(const Input& input) {
  running = &input;
  LLVMFuzzerTestOneInput(input.data(), input.size());
}

Input mutate(Input input, std::mt19937& random) {
  const auto at = [&] { return static_cast<std::ptrdiff_t>(random() % (input.size() + 1)); };
  for (unsigned changes = 1 + random() % 4; changes > 0; --changes) {
    const auto byte = static_cast<std::uint8_t>(random());
    switch (random() % 4) {
      case 0:
        input.insert(input.begin() + at(), byte);
        break;
      case 1:
        input.resize(static_cast<std::size_t>(at()));
        break;
      case 2: {  // repeat a piece
        const Input piece(input.begin(), input.begin() + at() % 64 % std::ssize(input));
        input.insert(input.begin() + at(), piece.begin(), piece.end());
        break;
      }
      default:
        if (!input.empty()) input[random() % input.size()] ^= byte;
    }
    if (input.empty()) input.push_back(byte);
  }
  return input;
}

}  // namespace

// replay [-mutations=N] FOLDER|FILE…: N of each file of a folder; a file alone runs as it is.
int main(int argc, char** argv) {
  int mutations = 2000;  // about a second a target under ASan
  std::mt19937 random(20261122);
  int files = 0;
  std::signal(SIGABRT, keep_input);
  for (int i = 1; i < argc; ++i) {
    constexpr std::string_view flag = "-mutations=";
    if (std::string_view(argv[i]).starts_with(flag)) {
      mutations = std::atoi(argv[i] + flag.size());
      continue;
    }
    if (std::filesystem::is_regular_file(argv[i])) {  // one that was found, as it is
      std::ifstream file(argv[i], std::ios::binary);
      run(Input((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>()));
      ++files;
      continue;
    }
    for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
      std::ifstream file(entry.path(), std::ios::binary);
      Input input((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
      run(input);
      if (input.empty()) input.push_back(0);
      for (int round = 0; round < mutations; ++round) {
        const Input mutated = mutate(input, random);
        run(mutated);
      }
      ++files;
    }
  }
  std::printf("%d files, %d mutations each\n", files, mutations);
  return files > 0 ? 0 : 1;
}
